/* Two pictures of one prompt, seed and step under a divider. */
function pair(view) {
  const { root } = view;
  const box = () => root.querySelector(".pair"), choice = (side) => box().querySelector(`[data-pair=${side}]`);
  view.sides = null;

  view.put = (method) => {  // the newcomer on the right, what was there on the left
    if (method && method !== view.sides.right) view.sides = { left: view.sides.right, right: method };
    view.drawn();
    box().classList.remove("matrix-flash");
    requestAnimationFrame(() => box().classList.add("matrix-flash"));
  };
  view.pairUp = () => {
    const row = view.rows()[view.row];
    if (!box() || !row) return;
    for (const side of ["left", "right"]) {
      const method = view.sides[side], image = box().querySelector(`img.${side}`);
      const small = row.querySelector(`img[data-column="${CSS.escape(method)}"]`);
      choice(side).value = method;
      if (!small) continue;
      if (image.getAttribute("src") !== small.getAttribute("src")) image.src = small.getAttribute("src");
      image.alt = small.alt;
      image.classList.toggle("absent", small.closest(".cell").classList.contains("absent"));
    }
    box().querySelector(".pair-text").textContent = `${row.dataset.text}, seed ${view.data.own?.[row.dataset.row] ?? view.seed()}, step ${view.step()}`;
    cut();
  };
  const cut = () => {
    const range = box().querySelector("input[type=range]"), label = view.data.labels[view.sides.left];
    box().querySelector(".pair-frame").style.setProperty("--cut", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${label}`);
  };
  const drag = (event) => {
    const frame = event.target.closest(".pair-frame").getBoundingClientRect();
    box().querySelector("input[type=range]").value = Math.round((100 * (event.clientX - frame.left)) / frame.width);
    cut();
  };
  root.addEventListener("input", (event) => { if (event.target.matches(".pair input")) cut(); });
  root.addEventListener("change", (event) => {
    const side = event.target.dataset?.pair;
    if (!side) return;
    view.sides = { ...view.sides, [side]: event.target.value };
    view.drawn();
  });
  root.addEventListener("pointerdown", (event) => {
    const frame = event.target.closest(".pair-frame");
    if (!frame) return;
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  root.addEventListener("pointermove", (event) => {
    const frame = event.target.closest(".pair-frame");
    if (frame?.hasPointerCapture(event.pointerId)) drag(event);
  });
}
