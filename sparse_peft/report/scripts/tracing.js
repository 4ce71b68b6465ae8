/* The method that is looked at: what belongs to it in a chart stands forward, the rest steps back.
   By mouse while it is over a part, by keys while a name has the focus, by finger until the next tap. */
function tracing(root = document) {
  const REACH = 7, WAYS = [[0, 0], [0, -1], [0, 1], [-1, 0], [1, 0]];
  let now = null;
  const trace = (method) => {
    if (method === now) return;
    now = method;
    for (const chart of root.querySelectorAll("svg.chart")) {
      const parts = [...chart.querySelectorAll("[data-method]")];
      const mine = parts.filter((part) => part.dataset.method === method);
      chart.classList.toggle("tracing", mine.length > 0);
      for (const part of parts) part.classList.toggle("traced", mine.includes(part));
      for (const mark of mine.filter((part) => part.matches(".mark"))) mark.parentNode.append(mark);  // over what covers it
    }
    for (const name of root.querySelectorAll("[data-trace]")) name.classList.toggle("traced", name.dataset.trace === method);
  };
  const near = (event) => {  // a line is thin: what lies a little beside it counts too
    const found = WAYS.map(([x, y]) => document.elementFromPoint(event.clientX + REACH * x, event.clientY + REACH * y));
    return found.map((part) => part?.closest("svg.chart [data-method]")).find(Boolean)?.dataset.method;
  };
  const meant = (event) => {
    const part = event.target.closest?.("[data-trace], svg.chart, tr[data-method] > th, .head[data-method]");
    if (!part) return null;
    if (part.matches("svg.chart")) return near(event) ?? null;
    return part.dataset.trace ?? part.closest("[data-method]").dataset.method;
  };
  root.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") trace(meant(event)); });
  root.addEventListener("click", (event) => trace(meant(event)));
  root.addEventListener("focusin", (event) => {
    const name = event.target.matches(":focus-visible") && event.target.closest("[data-trace]");
    trace(name ? name.dataset.trace : null);
  });
}
