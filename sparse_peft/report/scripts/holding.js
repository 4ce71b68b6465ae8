/* Keys and fingers on the matrix: B or a long press shows the base, comma and full stop step. */
function holding(view) {
  const { root } = view, LONG_MS = 250, FAR = 10;  // a shorter press is a click, a longer way a swipe
  const WAYS = { ",": -1, "<": -1, ";": -1, ".": 1, ">": 1, ":": 1 };  // with Shift, layouts differ
  const inside = (event) => event.target.closest?.(".matrix");
  /* Keys count in the matrix, and wherever nothing is typed while the mouse is over it. */
  const TYPING = "textarea, select, dialog, input:not([type=range], [type=radio], [type=checkbox])";
  const here = (event) => inside(event) || (!event.target.closest?.(TYPING) && root.querySelector(".matrix:hover"));
  let press = null;
  view.held = false;  // a click that ends a long press is none

  const release = () => {
    clearTimeout(press?.timer);
    const shown = press?.shown || view.base;
    press = null;
    view.base = false;
    if (shown) view.draw();
  };
  document.addEventListener("keydown", (event) => {
    if (!here(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "b" && !event.repeat) {
      view.base = true;
      view.draw(-1);
    }
    const way = WAYS[event.key];
    if (!way || (!event.shiftKey && !",.".includes(event.key))) return;
    event.preventDefault();
    const { all } = view.data, now = all.filter((one) => one <= view.step()).length - 1;
    view.go(event.shiftKey ? (way < 0 ? 0 : all.length - 1) : now + way);
  });
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "b") release(); });
  root.addEventListener("focusout", (event) => { if (view.base && !event.relatedTarget) release(); });
  root.addEventListener("pointerdown", (event) => {
    const image = inside(event) && event.target.closest("img[data-column]");
    view.held = false;
    if (!image || event.button) return;
    const timer = setTimeout(() => {
      view.held = press.shown = true;
      view.show(image, -1);
    }, LONG_MS);
    press = { timer, x: event.clientX, y: event.clientY };
  });
  root.addEventListener("pointermove", (event) => {
    if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > FAR) release();
  });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, release);
  window.addEventListener("blur", release);
  root.addEventListener("contextmenu", (event) => {
    if (inside(event) && event.target.matches("img[data-column]")) event.preventDefault();
  });
}
