/* On the phone one prompt at a time: arrows under it, or a swipe. */
function paging(view) {
  const { root } = view, FAR = 40;
  let start = null;
  view.page = () => {
    const bar = root.querySelector(".matrix-pages"), rows = view.rows();
    if (!bar) return;
    bar.querySelector("output").value = `${view.row + 1} of ${rows.length}`;
    bar.querySelector("[data-page='-1']").disabled = view.row === 0;
    bar.querySelector("[data-page='1']").disabled = view.row === rows.length - 1;
  };
  const turn = (way) => {
    view.row = Math.min(Math.max(view.row + way, 0), view.rows().length - 1);
    view.drawn();
  };
  root.addEventListener("click", (event) => {
    const page = event.target.closest("[data-page]");
    if (page) turn(Number(page.dataset.page));
  });
  root.addEventListener("pointerdown", (event) => {
    const swipes = event.pointerType === "touch" && event.target.closest(".matrix [data-row]");
    start = swipes ? { x: event.clientX, y: event.clientY } : null;
  });
  root.addEventListener("pointerup", (event) => {
    if (!start || view.held || !matchMedia("(max-width: 760px)").matches) return;
    const across = event.clientX - start.x, down = event.clientY - start.y;
    start = null;
    if (Math.abs(across) < FAR || Math.abs(across) < Math.abs(down)) return;
    view.held = true;  // the click that follows opens nothing
    turn(across < 0 ? 1 : -1);
  });
}
