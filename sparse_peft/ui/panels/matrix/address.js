/* The view in the address: comparison, step and row, so that a link or a reload comes back to it. */
function address(view) {
  const { root } = view;
  view.read = () => {
    const asked = new URLSearchParams(location.search), { all, comparison } = view.data;
    if (asked.get("comparison") !== comparison) return;
    const step = Number(asked.get("step")), row = Number(asked.get("row"));
    if (asked.has("step") && all.includes(step) && step !== all.at(-1)) view.at = step;
    if (Number.isInteger(row) && row > 0) view.row = row - 1;
  };
  view.write = () => {
    if (!view.data.comparison || !root.offsetParent) return;  // another tab is being looked at
    const asked = new URLSearchParams(location.search);
    asked.set("comparison", view.data.comparison);
    asked.set("step", view.step());
    asked.set("row", view.row + 1);
    if (view.at === null) asked.delete("step");
    const query = `?${asked}`;
    if (query !== location.search) history.replaceState(history.state, "", query + location.hash);
  };
}
