/* The Compare tab's pictures: what is shared by its parts, and what a new drawing of it keeps. */
const NOTHING = { comparison: null, pictures: {}, steps: {}, all: [0], columns: {} };
const shown = () => (props.value?.data?.pictures ? props.value.data : NOTHING);  // of classes there is no matrix
const view = matrix(element, shown());
Object.assign(view, { row: 0, column: 0, seen: 0 });
for (const part of [roving, focusing, inView, pair, drawer, paging, address]) part(view);

const news = () => {
  const chip = element.querySelector("[data-view=newest]"), newest = view.data.all.at(-1);
  if (!chip) return;
  if (view.at === null) view.seen = newest;
  chip.hidden = newest <= view.seen;
  chip.textContent = `new: step ${newest}`;
};
view.drawn = () => {
  view.arrange();
  view.stand();
  view.colour();
  view.large();
  view.pairUp();
  view.page();
  news();
  view.write();
};
const open = () => {
  view.showAll();
  const first = element.querySelector(".choice input[name=seed]"), methods = view.methods();
  if (first) first.checked = true;
  Object.assign(view, { row: 0, column: 0, at: null });
  view.sides = { left: methods.at(methods.length > 2 ? 1 : 0), right: methods.at(methods.length > 2 ? 2 : 1) };
  view.focusFirst();
  view.read();
  view.seen = view.data.all.at(-1);
  view.draw();
};
watch("value", () => {
  const before = view.data.comparison;
  view.data = shown();
  if (asked && !view.data.errors?.prompt) element.querySelector("[name=prompt]").value = "";
  asked = false;
  (view.data.comparison === before ? view.draw : open)();
  view.arrange();
});
if (view.data.comparison) open();
let asked = false;
element.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = event.target.elements.prompt.value.trim(), your = `your ${view.data.noun}`;
  const prompt = said.includes(your) ? said : `${your} ${said}`.trim();
  asked = true;
  studio.act(trigger, { do: "draw", comparison: view.data.comparison, prompt, seed: view.seed() });
});
element.addEventListener("click", (event) => {
  const does = event.target.closest("[data-view]")?.dataset.view, image = event.target.closest(".matrix img[data-column]");
  if (does === "newest") view.go(Infinity);
  if (does === "keys") view.list();
  if (does === "focus") view.focusOn(event.target.closest("[data-method]").dataset.method);
  if (image && !view.held) view.enlarge(image);
});
