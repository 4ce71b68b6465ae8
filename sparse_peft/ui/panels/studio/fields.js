/* After a preset, an example or "Run again": fields show what is kept, not what was typed before. */
studio.untyped = (board) => {
  for (const field of board.querySelectorAll("input, textarea")) {
    if (["checkbox", "radio"].includes(field.type)) field.checked = field.defaultChecked;
    else if (field.type !== "file") field.value = field.defaultValue;
  }
  for (const option of board.querySelectorAll("option[selected]")) option.selected = true;
};
