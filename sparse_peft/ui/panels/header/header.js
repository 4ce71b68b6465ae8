/* The header: ways to the example, to history and to the keys; its clicks ask for "act". */
const menu = () => element.querySelector("[data-header=menu]");
const keys = () => element.querySelector(".header-keys");
const unfold = (open) => menu().setAttribute("aria-expanded", open);
const unfolded = () => menu()?.ariaExpanded === "true";

const does = {
  menu: () => unfold(!unfolded()),
  history: () => studio.history?.(),
  keys: () => keys().showModal(),
  close: () => keys().close(),
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-header], [data-ask], .skip");
  if (!button) return;
  if (button.matches(".skip")) {
    event.preventDefault();
    document.querySelector("#steps [role=tab][aria-selected=true]")?.focus();
    return;
  }
  if (button.dataset.header !== "menu" && unfolded()) {
    if (button.dataset.header !== "close") menu().focus();  // where focus goes back to
    unfold(false);
  }
  if (button.dataset.ask) studio.act(trigger, JSON.parse(button.dataset.ask));
  does[button.dataset.header]?.();
});
element.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !unfolded() || keys().open) return;
  unfold(false);
  menu().focus();
});
document.addEventListener("click", (event) => {
  if (unfolded() && !element.contains(event.target)) unfold(false);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  if (event.key !== "?" || typing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  keys()?.showModal();
});
element.addEventListener("click", (event) => { if (event.target === keys()) keys().close(); });
