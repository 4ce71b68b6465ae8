/* Which picture stands in a cell of the matrix: the newest that its run had drawn by the step.
   A step of -1 asks for the base. What a run has not drawn yet says the step at which it comes.
   The data may have own {row: seed}, prompts drawn after the training, at run/own/row/seed; on the
   page also due {run: steps to come} and notes {row: words}. */
function finding(view) {
  const BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
  const has = (key) => key in view.data.pictures;

  view.run = (column) => {
    const runs = view.data.columns[column] || [];
    return runs[(view.chosen("training")?.value ?? 1) - 1];
  };

  view.find = ({ column, prompt }, step = view.step()) => {
    const { pictures, steps, due = {}, own = {}, all } = view.data;
    const run = view.run(column), seed = own[prompt] ?? view.seed();
    const found = (key, at) => ({ key, source: pictures[key], step: at, seed });
    const base = !run || step < 0 || (step === 0 && all.length > 1);
    if (prompt in own) return found(`${base ? "base" : run}/own/${prompt}/${seed}`, base ? 0 : "last");
    if (base) return found(`base/0/${prompt}/${seed}`, 0);
    const drawn = (steps[run] || []).filter((one) => one <= step).at(-1);
    const key = `${run}/${drawn}/${prompt}/${seed}`;
    if (has(key)) return found(key, drawn);
    const coming = due[run] || [];  // on the way the first seed is drawn, the others at the end
    const next = seed === view.firstSeed() ? coming.find((one) => one > (drawn ?? 0)) : coming.at(-1);
    return { ...found(key, next ?? step), coming: next };
  };

  view.show = (image, step) => {
    const found = view.find(image.dataset, step), cell = image.closest(".cell");
    const source = found.source ?? BLANK, late = found.step > 0 && found.step < view.step();
    const coming = view.data.notes?.[image.dataset.prompt] ?? (found.coming ? `step ${found.coming}` : "");
    cell.classList.toggle("absent", !found.source);
    const never = image.dataset.column === "base" && view.data.drawing ? "being drawn" : "not drawn";
    cell.dataset.note = found.source ? "" : coming || never;
    cell.dataset.late = found.source && late ? `step ${found.step}` : "";
    if (image.getAttribute("src") !== source) image.src = source;
    const at = found.step === "last" ? "last step" : `step ${found.step}`;
    const absent = found.source ? "" : coming ? ": still to come" : `: ${never}`;
    image.alt = `${image.dataset.text}, ${at}, seed ${found.seed}${absent}`;
  };

  view.drawnHere = () => Object.keys(view.data.pictures).some((key) => {
    const [run, step, , seed] = key.split("/");
    return run !== "base" && Number(step) === view.step() && Number(seed) === view.seed();
  });
}
