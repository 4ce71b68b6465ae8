/* Moving through the matrix by keys: it is one stop of Tab, and one of its cells has the focus. */
function roving(view) {
  const { root } = view;
  const within = (place, count) => Math.min(Math.max(place, 0), Math.max(count - 1, 0));
  view.rows = () => [...root.querySelectorAll(".matrix [data-row]")];
  view.cells = (row) => [...(view.rows()[row]?.querySelectorAll(".cell:not(.away)") ?? [])];
  view.cell = () => view.cells(view.row)[view.column];
  view.image = () => view.cell()?.querySelector("img[data-column]");

  view.stand = () => {  // after every drawing: rows and columns may have come or gone
    const rows = view.rows();
    view.row = within(view.row, rows.length);
    view.column = within(view.column, view.cells(view.row).length);
    for (const [place, row] of rows.entries()) row.classList.toggle("now", place === view.row);
    for (const cell of root.querySelectorAll(".matrix .cell")) cell.tabIndex = cell === view.cell() ? 0 : -1;
  };
  view.move = (row, column) => {
    Object.assign(view, { row, column });
    view.drawn();
    view.cell()?.focus();
  };
  root.addEventListener("focusin", (event) => {
    const cell = event.target.closest(".matrix .cell"), row = cell?.closest("[data-row]");
    if (!row) return;
    Object.assign(view, { row: view.rows().indexOf(row), column: view.cells(view.rows().indexOf(row)).indexOf(cell) });
    view.drawn();
  });
  const moves = {
    ArrowLeft: () => view.move(view.row, view.column - 1),
    ArrowRight: () => view.move(view.row, view.column + 1),
    ArrowUp: () => view.move(view.row - 1, view.column),
    ArrowDown: () => view.move(view.row + 1, view.column),
    Home: () => view.move(view.row, 0),
    End: () => view.move(view.row, Infinity),
    Enter: () => view.enlarge(view.image()),
    p: () => view.put(view.image().dataset.column),
    0: () => view.focusAll(),
    "?": () => view.list(),
  };
  root.addEventListener("keydown", (event) => {
    if (!event.target.closest(".matrix .cell") || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = moves[key] ?? (/^[1-9]$/.test(key) ? () => view.focusOn(view.methods()[key]) : null);
    if (!act) return;
    event.preventDefault();
    act();
  });
}
