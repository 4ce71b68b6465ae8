/* The mistakes of a few-shot comparison, in the report and on the page: which row is shown, and the
   arrows in its matrix. `open` gets (button, method, truth, predicted) and shows the pictures. */
function confusion(root, open) {
  const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const shown = () => root.querySelector(".confusion:not([hidden])");
  const cell = (rows, row, column) => rows[row]?.cells[column]?.querySelector("button");

  const one_stop = (table, chosen) => {  // Tab enters a matrix once; arrows move inside
    for (const button of table.querySelectorAll("button")) button.tabIndex = button === chosen ? 0 : -1;
  };
  const settle = () => {
    for (const table of root.querySelectorAll("table.confused"))
      if (!table.querySelector("button[tabindex='0']")) one_stop(table, table.querySelector("button"));
  };
  const next = (button, [down, right]) => {  // the next mistake that way, past empty cells
    const rows = [...button.closest("table").rows], td = button.closest("td");
    let row = td.parentNode.rowIndex, column = td.cellIndex;
    while (rows[row] && column >= 0 && column < rows[0].cells.length) {
      row += down;
      column += right;
      if (cell(rows, row, column)) return cell(rows, row, column);
    }
    return null;
  };
  root.addEventListener("change", (event) => {
    if (!event.target.matches("input[name=confusion]")) return;
    for (const part of root.querySelectorAll(".confusion")) part.hidden = part.dataset.row !== event.target.value;
    settle();
  });
  root.addEventListener("keydown", (event) => {
    const button = event.target.closest?.("table.confused button"), way = WAYS[event.key];
    if (!button || !way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const found = next(button, way);
    if (!found) return;
    one_stop(button.closest("table"), found);
    found.focus();
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest?.(".confusion button[data-truth]");
    if (!button) return;
    const table = button.closest("table.confused");
    if (table) one_stop(table, button);
    open(button, shown().dataset.row, Number(button.dataset.truth), Number(button.dataset.predicted));
  });
  settle();
}
