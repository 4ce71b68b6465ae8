/* The head of the Compare tab; its clicks ask for "act". */
const CLOSED = { reference: null, more: false, rename: false, share: false, stop: null };
const now = { open: null, ...CLOSED };
const part = (what) => element.querySelector(what);
const show = () => {
  const reference = part("[data-view=reference]"), lists = [...element.querySelectorAll("[data-reference]")];
  if (lists.some((list) => list.dataset.reference === now.reference)) reference.value = now.reference;
  for (const list of lists) list.hidden = list.dataset.reference !== reference.value;
  const more = part("[data-view=more]"), form = part(".heading-rename"), share = part(".heading-share");
  if (more) Object.assign(more, { ariaExpanded: now.more, textContent: now.more ? "less" : "more" });
  part(".heading")?.classList.toggle("open", now.more);
  if (form) form.hidden = !now.rename && !form.querySelector(".error");
  if (share) share.hidden = !now.share;
  for (const stop of element.querySelectorAll("[data-view=stop]")) {
    stop.ariaExpanded = stop.dataset.run === now.stop;
    stop.nextElementSibling.hidden = stop.dataset.run !== now.stop;
  }
  const address = part(".heading-address"), copy = part("[data-view=copy]");
  if (address) address.textContent = `${location.origin}${location.pathname}?comparison=${encodeURIComponent(now.open)}`;
  if (copy) copy.hidden = !navigator.clipboard;
};
let drawn = performance.now();
const redrawn = () => {
  const open = props.value?.data?.comparison ?? null;
  if (open !== now.open) Object.assign(now, { open, ...CLOSED });
  drawn = performance.now();
  show();
};
watch("value", redrawn);
redrawn();
setInterval(() => {
  const more = (performance.now() - drawn) / 1000;
  for (const since of element.querySelectorAll("[data-elapsed]")) since.textContent = `${Math.round(+since.dataset.elapsed + more)} s`;
}, 1000);
const views = {
  more: () => { now.more = !now.more; },
  share: () => { now.share = !now.share; },
  rename: () => { now.rename = !now.rename; },
  stop: ({ dataset }) => { now.stop = now.stop === dataset.run ? null : dataset.run; },
  copy: (button) => navigator.clipboard.writeText(part(".heading-address").textContent).then(() => { button.textContent = "Copied"; }),
  methods: () => studio.tab("methods"),
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-view], [data-ask]");
  if (!button) return;
  if (button.dataset.ask) studio.act(trigger, JSON.parse(button.dataset.ask));
  views[button.dataset.view]?.(button);
  show();
  if (button.dataset.view === "rename" && now.rename) part("#heading-name").focus();
});
element.addEventListener("change", ({ target }) => {
  if (target.matches("[data-view=reference]")) now.reference = target.value;
  show();
});
element.addEventListener("submit", (event) => {
  event.preventDefault();
  now.rename = false;
  studio.act(trigger, { do: "rename", comparison: now.open, name: event.target.elements.name.value.trim() });
});
