/* The run strip: its clicks ask for "act"; seconds go on between two drawings. */
const settle = () => {  // under the tabs, where it is on each of them
  const tabs = document.querySelector("#steps .tab-wrapper");
  if (tabs) tabs.after(document.getElementById("board-strip"));
  else requestAnimationFrame(settle);
};
settle();

let drawn = performance.now(), open = null;
const lines = () => [...element.querySelectorAll(".strip-line")];
const menus = () => {
  for (const line of lines()) {
    const mine = line.dataset.comparison === open, menu = line.querySelector(".strip-menu");
    if (!menu) continue;
    menu.hidden = !mine;
    line.querySelector("[data-strip=menu]").setAttribute("aria-expanded", mine);
  }
};
const close = (focus) => {
  const button = lines().find((line) => line.dataset.comparison === open)?.querySelector("[data-strip=menu]");
  open = null;
  menus();
  if (focus) button?.focus();
};
const inWords = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);
setInterval(() => {
  for (const since of element.querySelectorAll("[data-elapsed]")) {
    since.textContent = inWords(Math.round(Number(since.dataset.elapsed) + (performance.now() - drawn) / 1000));
  }
}, 1000);
watch("value", () => {
  drawn = performance.now();
  menus();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask], [data-strip=menu]");
  if (!button) return;
  if (button.dataset.ask) {
    close(false);
    studio.act(trigger, JSON.parse(button.dataset.ask));
    return;
  }
  const line = button.closest(".strip-line"), mine = line.dataset.comparison;
  open = open === mine ? null : mine;
  menus();
  if (open) line.querySelector(".strip-menu button").focus();
});
element.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && open) close(true);
});
document.addEventListener("click", (event) => {
  if (open && !element.contains(event.target)) close(false);
});
