(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("pictures").textContent);
  const images = [...document.querySelectorAll("img[data-column]")];
  const slider = document.getElementById("step"), at = document.getElementById("at");
  const matrix = document.querySelector(".matrix");
  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`);
  const firstSeed = chosen("seed").value, last = data.all.length - 1;
  for (const image of images) {
    const { run, prompt } = image.dataset;
    const step = run === "base" ? 0 : data.steps[run].at(-1);
    data.pictures[`${run}/${step}/${prompt}/${firstSeed}`] = image.src;
  }
  const find = (image, step) => {
    const { column, prompt } = image.dataset, seed = chosen("seed").value;
    const runs = data.columns[column] || [];
    const run = runs[(chosen("training")?.value || 1) - 1] || image.dataset.run;
    const drawn = (data.steps[run] || []).filter((one) => one <= step).at(-1);
    const key = drawn === undefined ? `base/0/${prompt}/${seed}` : `${run}/${drawn}/${prompt}/${seed}`;
    return { source: data.pictures[key], step: drawn ?? 0, seed };
  };
  const show = (image, step) => {
    const { source, step: drawn, seed } = find(image, step);
    image.parentElement.classList.toggle("absent", !source);
    if (source) image.src = source;
    image.alt = `${image.dataset.text}, step ${drawn}, seed ${seed}` + (source ? "" : ": not drawn");
  };
  const now = () => data.all[slider.value];
  const all = (step = now()) => {
    at.value = step;
    slider.setAttribute("aria-valuetext", `step ${step}`);
    for (const image of images) show(image, step);
  };
  const someAt = (seed) => Object.keys(data.pictures).some((key) => {
    const [run, step, , own] = key.split("/");
    return run !== "base" && own === seed && Number(step) === now();
  });
  slider.addEventListener("input", () => {
    if (now() > 0 && !someAt(chosen("seed").value)) {
      document.querySelector(`input[name=seed][value="${firstSeed}"]`).checked = true;
    }
    all();
  });
  document.querySelectorAll(".choice input").forEach((input) => input.addEventListener("change", () => {
    if (now() > 0 && !someAt(chosen("seed").value)) slider.value = last;
    all();
  }));
  matrix.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "b" && !event.repeat) all(0);
    const move = { ",": -1, ".": 1 }[event.key];
    if (move) { slider.value = Number(slider.value) + move; slider.dispatchEvent(new Event("input")); }
  });
  matrix.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "b") all(); });
  matrix.addEventListener("pointerdown", (event) => { if (event.target.dataset.column) show(event.target, 0); });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => all());
  matrix.addEventListener("contextmenu", (event) => event.preventDefault());
  document.querySelector(".controls").hidden = false;
})();
