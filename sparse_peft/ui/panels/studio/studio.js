/* What all boards share: the open comparison and the tab in the address, and what a drawing brings. */
var studio = (() => {
  const TABS = ["pictures", "methods", "compare"], boards = {};
  const place = () => new URLSearchParams(location.search);
  const self = { open: place().get("comparison") || "", said: "", boards };
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
    self.open = id;
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
  const drawn = (name, value) => {
    if (!value?.board) return;
    self.about = value.about;
    opened(value.open || "");
    if (value.anew) self.untyped(boards[name].element);
    if (value.said && value.said !== self.said) self.say(value.said);
    self.said = value.said;
    self.heard?.();
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
