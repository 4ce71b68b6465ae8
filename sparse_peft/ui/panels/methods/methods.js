// The second step: clicks, and what a new drawing must not lose. The files named in SCRIPTS
// share one scope; the server is asked through the event "act".
const LOOK_MS = 1500; // between two looks while this machine is being measured
const find = (what) => element.querySelector(what);
const all = (what) => [...element.querySelectorAll(what)];
const data = () => (props.value && props.value.data) || {};
const act = (asked) => studio.act(trigger, asked);
const cardOf = (node) => node.closest("[data-method]");
const left = new Map(), typed = {}; // left: details as a person left them
let looking = null, goal = null;

const CLICKS = {
  over: (button) => {
    goal = `#methods-${cardOf(button).dataset.method}-tick`;
    act({ do: "over", method: cardOf(button).dataset.method, on: true });
  },
  measure: () => act({ do: "measure" }),
  reset: () => act({ do: "reset" }),
  back: () => studio.tab("pictures"),
  start: () => { settle(); goal = "mend"; act({ do: "start" }); },
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && CLICKS[button.dataset.do]) CLICKS[button.dataset.do](button);
});
element.addEventListener("toggle", ({ target }) => {
  if (target.matches("[data-keep]")) left.set(target.dataset.keep, target.open);
}, true);

function lookAgain() {
  clearTimeout(looking);
  if (!data().measuring) return;
  looking = setTimeout(() => {
    if (document.hidden || !element.offsetParent) lookAgain();
    else act({ do: "look", panels: ["methods"] });
  }, LOOK_MS);
}

// A drawing brings attributes; what a person has opened, moved or ticked are properties.
function restore() {
  const wrong = find("[aria-invalid=true]");
  for (const details of all("details[data-keep]")) {
    const held = left.get(details.dataset.keep) ?? details.hasAttribute("data-held");
    details.open = held || Boolean(wrong && details.contains(wrong));
  }
  for (const field of all("input[type=text][aria-invalid=true]")) field.value = typed[field.id] ?? field.value;
  const text = find("textarea");
  if (text && text !== document.activeElement && !text.matches("[aria-invalid=true]")) text.value = text.defaultValue;
  for (const box of all("input[type=checkbox], input[type=radio]")) box.checked = box.hasAttribute("checked");
  for (const list of all("select")) list.value = (list.querySelector("[selected]") || list.options[0]).value;
  const aim = goal === "mend" ? wrong || find(".methods-start .error") : goal && find(goal);
  if (aim) aim.scrollIntoView({ block: "nearest" });
  if (aim && aim.focus) aim.focus();
  goal = null;
}
watch("value", () => { restore(); showDial(); lookAgain(); });
lookAgain();
