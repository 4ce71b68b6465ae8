/* History in a dialog around the board, which a new drawing leaves alone; asks for "act". */
const dialog = Object.assign(document.createElement("dialog"), { className: "history-dialog" });
dialog.setAttribute("aria-labelledby", "history-title");
element.before(dialog);
dialog.append(element);

let view = {}, joining = false, goal = null;
const ticked = new Map();  // id -> subject
const find = (what) => element.querySelector(what);
const ask = (change) => {
  view = { rows: view.rows ?? 50, ...change };
  studio.act(trigger, { do: "history", ...view });
};
studio.history = () => {
  dialog.showModal();
  ask({});
};
studio.historyShown = () => dialog.open;
studio.historyAgain = () => { if (dialog.open) ask(view); };
const WHEN = { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" };
const ticks = () => {
  const subject = [...ticked.values()][0];
  for (const box of element.querySelectorAll("[data-tick]")) {
    box.checked = ticked.has(box.dataset.tick);
    box.disabled = !box.checked && (ticked.size > 1 || (ticked.size === 1 && box.dataset.subject !== subject));
  }
  const bar = find(".history-two");
  if (!bar) return;
  bar.hidden = !ticked.size;
  bar.querySelector("p").textContent = ticked.size > 1 ? "Two on the same subject." : "Tick one more on the same subject.";
  bar.querySelector("button").hidden = ticked.size < 2;
};
const drawn = () => {
  for (const time of element.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString("en-GB", WHEN).replace(" at ", ", ");
  }
  const there = new Set([...element.querySelectorAll("[data-tick]")].map((box) => box.dataset.tick));
  for (const id of ticked.keys()) if (!there.has(id)) ticked.delete(id);
  ticks();
  const data = props.value?.data;
  if (data?.older && data.rows < view.rows) ask({});
  if (joining && !data?.errors) dialog.close();
  joining = false;
  if (goal) (find(goal) ?? find("[data-history=close]"))?.focus();
  goal = null;
};
watch("value", drawn);
drawn();
