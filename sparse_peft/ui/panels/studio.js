/* What all boards share: asking the server, the open comparison and the tab in the address. */
var studio = (() => {
  const TABS = ["pictures", "methods", "compare"], STALE_MS = 2000, boards = {};
  const place = () => new URLSearchParams(location.search);
  const self = { open: place().get("comparison") || "", left: null, leftAt: 0, said: "", boards };
  const buttons = () => [...document.querySelectorAll("#steps button[role=tab]")];
  const write = (name, value) => {
    const asked = place();
    if ((asked.get(name) || "") === (value || "")) return;
    asked.delete(name);
    if (name === "comparison") for (const old of ["step", "row"]) asked.delete(old);
    if (value) asked.set(name, value);
    history.replaceState(history.state, "", `${location.pathname}${String(asked) && `?${asked}`}${location.hash}`);
  };
  const opened = (id) => {
    if (id === self.open) return;
    Object.assign(self, { left: self.open, leftAt: performance.now(), open: id });
    write("comparison", id);
  };
  self.sync = () => {
    const at = buttons().findIndex((button) => button.ariaSelected === "true");
    if (at < 0) return;
    if (at !== (self.at ?? at)) scrollTo(0, 0);
    self.at = at;
    write("tab", TABS[at]);
  };
  self.tab = (name) => { buttons()[TABS.indexOf(name)]?.click(); };
  self.act = (trigger, detail) => {
    if (self.lost) return self.tell(self.lost);  // Gradio would only complain in its own words
    if (detail.do === "open" && detail.comparison) self.left = null;
    trigger("act", { ...detail, open: self.open, about: self.about });
  };
  /* A look that was asked for before something else was opened may answer after it. */
  const drawn = (name, value) => {
    if (!value?.board) return;
    self.about = value.about;
    const open = value.open || "", stale = open !== self.open && open === self.left;
    if (stale && performance.now() - self.leftAt < STALE_MS) self.look?.([name]);
    else opened(open);
    if (value.anew) self.untyped(boards[name].element);
    if (value.said && value.said !== self.said) self.say(value.said);
    self.said = value.said;
    self.answered?.();
    setTimeout(self.sync, 50);
  };
  /* Each board joins in once; its trigger serves those who have none. */
  self.join = (element, props, trigger, watch) => {
    const board = element.closest("[id^=board-]")?.id.slice("board-".length);
    if (!board || boards[board]) return;
    boards[board] = { trigger, props, element };
    watch("value", () => drawn(board, props.value));
    drawn(board, props.value);
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#steps button[role=tab]")) setTimeout(self.sync, 50);
  });
  return self;
})();
