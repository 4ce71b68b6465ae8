/* Which methods are in view and in which order, of classes too; the numbers below follow. */
function inView(view) {
  const boards = () => [view.root, document.querySelector("#board-numbers")].filter(Boolean);
  const methods = legend(boards, () => props.value?.data ?? {}, () => view.draw());
  Object.assign(view, { arrange: methods.apply, showAll: methods.reset });
  for (const kind of ["change", "click"]) view.root.addEventListener(kind, methods[kind]);
  document.addEventListener("studio-numbers", () => {
    methods.apply();
    if (view.data.comparison) view.colour();
  });
  if (!studio.traced) tracing();
  studio.traced = true;
}
