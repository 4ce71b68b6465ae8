// Clicks and fields of the first step. The files named in SCRIPTS share one scope;
// the server is asked through the event "act".
const find = (what) => element.querySelector(what);
const data = () => (props.value && props.value.data) || {};
const pictureOf = (node) => node.closest("[data-picture]").dataset.picture;

const step = { naming: false, other: false, filled: false, typed: new WeakMap() };
const CLICKS = {
  choose: () => find("#pictures-files").click(),
  camera: () => openCamera(),
  remove: (button) => remove(button),
  clear: () => ask(`Remove ${data().count} and the captions?`, "Remove all", () => act({ do: "clear" })),
  example: ({ dataset }) => replacing(`Opening the ${dataset.name}`, () => act({ do: "example", name: dataset.name })),
  reuse: ({ dataset }) => replacing("Opening the pictures", () => act({ do: "reuse", dataset: dataset.name })),
  next: () => act({ do: "next", noun: find("#pictures-noun").value }, toMend),
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && CLICKS[button.dataset.do]) CLICKS[button.dataset.do](button);
});

const CHANGES = {
  "pictures-files": (field) => { upload(field.files); field.value = ""; },
  "pictures-noun": (field) => act({ do: "noun", noun: field.value }),
  "pictures-token": (field) => { step.naming = false; act({ do: "token", token: field.value }); },
  "pictures-other": (field) => act({ do: "backbone", backbone: field.value }),
  "pictures-backbone": (field) => {
    step.other = field.value === "other";
    if (step.other) { showBackbone(); find("#pictures-other").focus(); } else act({ do: "backbone", backbone: field.value });
  },
};
element.addEventListener("change", ({ target }) => {
  // The answer brings this value as an attribute: were it a new one, it would replace what is typed meanwhile.
  if (target.type === "text") target.setAttribute("value", target.value);
  step.typed.set(target, target.value);
  step.filled = step.filled && !target.matches("input");
  if (target.matches(".pictures-caption")) act({ do: "caption", picture: pictureOf(target), text: target.value });
  else if (CHANGES[target.id]) CHANGES[target.id](target);
});
element.addEventListener("toggle", ({ target }) => { if (target.matches("details")) step.naming = target.open; }, true);
