/* Clicks in history: what opens another view closes the dialog, what changes a row keeps it. */
const LEAVES = ["open", "again"];
const FOCUS = { rename: "#history-name", delete: ".history-sure button:last-of-type" };
const row = (id) => `[aria-labelledby="history-${CSS.escape(id)}"] button`;
const own = {
  close: () => dialog.close(),
  join: () => {
    joining = true;
    studio.act(trigger, { do: "join", comparisons: [...ticked.keys()] });
    ticked.clear();
  },
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask], [data-history]");
  if (!button) return;
  own[button.dataset.history]?.();
  if (!button.dataset.ask) return;
  const asked = JSON.parse(button.dataset.ask), { do: what, ...change } = asked;
  if (what === "history") {
    const before = view.rename ?? view.delete;
    goal = FOCUS[Object.keys(change)[0]] ?? (before && before !== "everything" ? row(before) : null);
    ask(change);
    return;
  }
  if (LEAVES.includes(what)) dialog.close();
  else goal = "[data-history=close]";
  view = { rows: view.rows };
  studio.act(trigger, asked);
});
element.addEventListener("submit", (event) => {
  event.preventDefault();
  const { comparison } = event.target.dataset, name = event.target.elements.name.value.trim();
  goal = row(comparison);
  view = { rows: view.rows };
  studio.act(trigger, { do: "rename", comparison, name });
});
element.addEventListener("change", (event) => {
  const { tick, subject } = event.target.dataset;
  if (!tick) return;
  if (event.target.checked) ticked.set(tick, subject);
  else ticked.delete(tick);
  ticks();
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { view = {}; });
