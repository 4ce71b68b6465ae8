/* Which columns are named and coloured, in which order they stand, and the row in hand drawn large. */
function focusing(view) {
  const { root } = view, EXTRAS = 2, MANY = 8, LARGE = 4;
  view.extras = null;  // methods in focus beside the base and the reference; null: all are
  view.methods = () => [...root.querySelectorAll(".heads [data-method]:not(.away)")].map((head) => head.dataset.method);
  view.focused = () => {
    if (!view.extras) return view.methods();
    const wanted = new Set(["base", view.data.reference, ...view.extras]);
    return view.methods().filter((method) => wanted.has(method));
  };
  view.focusAll = () => { view.extras = null; view.drawn(); };
  view.focusOn = (method) => {
    if (!method) return;
    const others = (view.extras ?? []).filter((other) => other !== method);
    const stays = ["base", view.data.reference].includes(method) || view.extras?.includes(method);
    view.extras = stays ? others : [...others, method].slice(-EXTRAS);
    view.drawn();
  };
  view.focusFirst = () => {
    const others = view.methods().filter((method) => !["base", view.data.reference].includes(method));
    view.extras = view.methods().length >= MANY ? others.slice(0, EXTRAS) : null;
  };

  view.colour = () => {
    const focused = new Set(view.focused());
    for (const part of document.querySelectorAll("#board-matrix [data-method], #board-numbers [data-method]")) {
      part.classList.toggle("dim", !focused.has(part.dataset.method));
    }
  };
  view.large = () => {
    const box = root.querySelector(".matrix-large"), row = view.rows()[view.row];
    if (!box || !row) return;
    const figures = view.focused().slice(0, LARGE).map((method) => {
      const figure = document.createElement("figure"), small = row.querySelector(`img[data-column="${CSS.escape(method)}"]`);
      const caption = document.createElement("figcaption"), mark = root.querySelector(`.heads [data-method="${CSS.escape(method)}"] svg`);
      const image = Object.assign(new Image(), { src: small.src, alt: small.alt });
      figure.classList.toggle("absent", small.closest(".cell").classList.contains("absent"));
      caption.append(mark.cloneNode(true), ` ${view.data.labels[method]}`);
      figure.append(image, caption);
      return figure;
    });
    box.querySelector(".matrix-large-row").replaceChildren(...figures);
    box.querySelector("p").textContent = row.dataset.text;
  };
}
