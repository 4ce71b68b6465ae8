/* The numbers of the Compare tab: parts that stay as they were left, command lines to copy. */
const parts = () => [...element.querySelectorAll(".numbers-part")];
const left = new Map();
const narrow = matchMedia("(max-width: 760px)");
let open = null;

const show = () => {
  const comparison = props.value?.data?.comparison ?? null;
  if (comparison !== open) {
    left.clear();
    open = comparison;
    for (const part of narrow.matches ? parts() : []) left.set(part.dataset.part, false);
  }
  for (const part of parts()) {
    if (left.has(part.dataset.part)) part.open = left.get(part.dataset.part);
  }
  for (const button of element.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
};
const drawn = () => {
  show();
  document.dispatchEvent(new Event("studio-numbers"));  // which methods are in view is the matrix's
};
watch("value", drawn);
drawn();

element.addEventListener("click", async (event) => {
  const summary = event.target.closest("summary"), copy = event.target.closest("[data-copy]");
  const ask = event.target.closest("[data-ask]");
  if (ask) studio.act(trigger, JSON.parse(ask.dataset.ask));
  if (summary) left.set(summary.parentElement.dataset.part, !summary.parentElement.open);
  if (!copy) return;
  await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
  copy.textContent = "Copied";
  setTimeout(() => { copy.textContent = "Copy"; }, 2000);
});
