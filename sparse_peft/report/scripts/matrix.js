/* The matrix of pictures, in the report and on the page: one step, seed and training run for all.
   `root` holds .controls and .matrix; their nodes are looked up anew, for a page may redraw them.
   `data` has pictures {run/step/prompt/seed: source}, steps {run: those drawn}, all (the stops) and
   columns {method: runs}. Needs finding.js and holding.js. */
function matrix(root, data) {
  const one = (what) => root.querySelector(what);
  const view = { root, data, at: null, base: false, drawn: () => {} };  // at null: the newest step
  view.chosen = (name) => one(`.choice input[name=${name}]:checked`);
  view.images = () => [...root.querySelectorAll(".matrix img[data-column]")];
  view.firstSeed = () => Number(one(".choice input[name=seed]")?.value ?? 0);
  view.seed = () => Number(view.chosen("seed")?.value ?? view.firstSeed());
  view.step = () => view.at ?? view.data.all.at(-1);
  finding(view);
  holding(view);

  view.draw = (step = view.base ? -1 : view.step()) => {
    const slider = one(".step input"), { all } = view.data;
    if (!slider) return;
    slider.max = all.length - 1;
    slider.value = all.filter((stop) => stop <= view.step()).length - 1;
    slider.setAttribute("aria-valuetext", `step ${view.step()}`);
    one(".step output").value = view.step();
    one(".controls").hidden = false;
    for (const image of view.images()) view.show(image, step);
    view.drawn();
  };
  view.go = (place) => {  // to a stop; the last one follows the training
    const { all } = view.data, stop = Math.min(Math.max(place, 0), all.length - 1);
    view.at = stop === all.length - 1 ? null : all[stop];
    if (view.step() > 0 && !view.drawnHere()) {  // on the way often the first seed only
      const first = one(".choice input[name=seed]");
      if (first) first.checked = true;
    }
    view.draw();
  };
  root.addEventListener("input", (event) => {
    if (event.target.matches(".step input")) view.go(Number(event.target.value));
  });
  root.addEventListener("change", (event) => {
    if (!event.target.matches(".choice input")) return;
    if (view.step() > 0 && !view.drawnHere()) view.at = null;
    view.draw();
  });

  for (const image of view.images()) {  // what the rows hold is not in the data twice
    if (image.closest(".absent")) continue;
    const { run, prompt } = image.dataset, own = data.own?.[prompt];
    const step = run === "base" ? 0 : data.steps[run]?.at(-1);
    const place = own === undefined ? `${step}/${prompt}/${view.firstSeed()}` : `own/${prompt}/${own}`;
    data.pictures[`${run}/${place}`] ??= image.getAttribute("src");
  }
  view.draw();
  return view;
}
