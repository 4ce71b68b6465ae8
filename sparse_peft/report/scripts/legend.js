/* Many methods: which are in view and in which order they stand. `places` are the elements whose
   parts are marked data-method; they are looked at anew, for a page may redraw them. */
function legend(places, data, moved = () => {}) {
  const CELLS = [[5, 224], [8, 136]], SMALLEST = 70, MANY = 7, SMALL = 9;
  const ORDERED = "[data-ordered], .matrix .row, table.by-class tr, table.pairs tr";
  const away = new Set();
  const all = (what) => places().flatMap((place) => [...place.querySelectorAll(what)]);
  const one = (what) => all(what)[0];

  const put = (box, order) => {
    const mine = [...box.children].filter((part) => part.dataset.method);
    const wanted = order.flatMap((method) => mine.filter((part) => part.dataset.method === method));
    if (wanted.length === mine.length && wanted.some((part, place) => part !== mine[place])) box.append(...wanted);
  };
  const fit = (grid) => {  // the fewer columns, the larger the pictures
    const row = grid.querySelector(".row:has([data-method])"), columns = [...(row?.children ?? [])];
    const count = columns.filter((part) => part.dataset.method && !away.has(part.dataset.method)).length;
    if (!count) return;
    grid.style.setProperty("--columns", count);
    grid.style.setProperty("--cell", `${CELLS.find(([most]) => count <= most)?.[1] ?? SMALLEST}px`);
    grid.classList.toggle("many", count >= MANY);
    grid.classList.toggle("small", count >= SMALL);
  };
  const apply = () => {
    const active = document.activeElement, order = data().orders?.[one("[data-view=order]")?.value];
    for (const part of all("[data-method]")) part.classList.toggle("away", away.has(part.dataset.method));
    for (const box of order ? all(ORDERED) : []) put(box, order);
    if (active !== document.activeElement && active?.isConnected) active.focus();
    if (!one(".legend")) return;
    all(".matrix").forEach(fit);
    for (const box of all("[name=in-view]")) box.checked = !away.has(box.value);
    one(".legend").hidden = false;
    one(".legend-all").hidden = !away.size;
  };
  const change = (event) => {
    const { target } = event;
    if (target.name === "in-view") away[target.checked ? "delete" : "add"](target.value);
    else if (!target.matches("[data-view=order]")) return;
    apply();
    moved();
  };
  const click = (event) => {
    if (!event.target.closest(".legend-all")) return;
    away.clear();
    apply();
    one("[name=in-view]").focus();
    moved();
  };
  const reset = () => { away.clear(); };
  return { apply, change, click, reset, away };
}
