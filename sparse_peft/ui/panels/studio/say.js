/* What is said to everybody: the live region, and a bar when the connection is lost. */
(() => {
  const regions = {};
  const region = (id) => {
    if (regions[id]) return regions[id];
    const found = Object.assign(document.createElement("div"), { id, className: "studio" });
    found.setAttribute("role", "status");
    found.setAttribute("aria-live", "polite");
    document.body.append(found);
    return (regions[id] = found);
  };
  document.addEventListener("DOMContentLoaded", () => ["studio-said", "studio-line"].forEach(region));

  /* Emptied first, or the same sentence twice would be told once. */
  studio.say = (text) => {
    if (!text) return;
    region("studio-said").textContent = "";
    setTimeout(() => { region("studio-said").textContent = text; }, 50);
  };
  /* In the top layer: a dialog must not hide it. */
  studio.tell = (text, ms = 0) => {
    const line = region("studio-line");
    line.popover = "manual";
    line.hidePopover();
    line.textContent = "";
    if (!text) return;
    line.showPopover();
    setTimeout(() => { line.textContent = text; }, 50);
    if (ms) setTimeout(() => { if (line.textContent === text) studio.tell(""); }, ms);
  };
})();
