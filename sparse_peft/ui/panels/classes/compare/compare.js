/* The middle of the Compare tab where it is about classes. The files named with it share one scope. */
const openCell = cellDrawer();
const told = () => props.value?.data?.confusion ?? null;
confusion(element, (button, row, truth, predicted) => openCell(told(), row, truth, predicted));
/* Another comparison begins with its own row; a new drawing of the same one keeps the row that was chosen. */
let shownRow = { open: null, row: null };
const keepRow = () => {
  const radios = [...element.querySelectorAll("input[name=confusion]")];
  if (!told() || !radios.length) return;
  if (told().comparison !== shownRow.open) shownRow = { open: told().comparison, row: null };
  const chosen = radios.find((radio) => radio.value === shownRow.row) ?? radios.find((radio) => radio.defaultChecked) ?? radios[0];
  chosen.checked = true;
  chosen.dispatchEvent(new Event("change", { bubbles: true }));
};
element.addEventListener("change", ({ target }) => { if (target.matches("input[name=confusion]")) shownRow.row = target.value; });
watch("value", keepRow);
keepRow();
