// Clicks and fields of the first step for classes. The files named in SCRIPTS share one scope;
// the server is asked through the event "act".
const find = (what) => element.querySelector(what);
const all = (what) => [...element.querySelectorAll(what)];
const data = () => (props.value && props.value.data) || {};
const boxOf = (node) => node.closest("[data-box]");
const boxAt = (id) => find(`[data-box="${CSS.escape(id)}"]`);

const step = { other: false, filled: false, typed: new WeakMap(), opened: new Set(), box: "", test: false };
const choose = (button, test) => {
  [step.box, step.test] = [boxOf(button).dataset.box, test];
  find("#boxes-files").click();
};
const added = () => { const names = all(".boxes-name"); return names[names.length - 1]; };
const CLICKS = {
  choose: (button) => choose(button, false),
  test: (button) => choose(button, true),
  camera: (button) => { [step.box, step.test] = [boxOf(button).dataset.box, false]; openCamera(); held(); },
  folder: () => find("#boxes-folder").click(),
  archive: () => find("#boxes-archive").click(),
  add: () => act({ do: "class_add" }, added),
  whole: () => act({ do: "class_whole" }, () => find("#boxes-shots")),
  remove: (button) => removeBox(boxOf(button)),
  picture: (button) => removePicture(button),
  unfold: (button) => act({ do: "class_unfold", box: boxOf(button).dataset.box, on: button.dataset.on === "yes" }),
  dismiss: (button) => act({ do: "class_dismiss", box: boxOf(button).dataset.box }),
  clear: () => ask(`Remove ${data().count} and all classes?`, "Remove all", () => act({ do: "class_clear" })),
  example: () => replacing("Opening the ten animals", () => act({ do: "class_example" })),
  reuse: ({ dataset }) => replacing("Opening the pictures", () => act({ do: "class_reuse", dataset: dataset.name })),
  next: () => act({ do: "class_next" }, toMend),
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-class]");
  if (button && CLICKS[button.dataset.class]) CLICKS[button.dataset.class](button);
});
element.addEventListener("focusin", ({ target }) => { if (boxOf(target)) step.box = boxOf(target).dataset.box; });

const CHANGES = {
  "boxes-files": (field) => { upload(field.files); field.value = ""; },
  "boxes-folder": (field) => { giveFolders([...field.files].map((file) => [file, file.webkitRelativePath])); field.value = ""; },
  "boxes-archive": (field) => { giveArchive(field.files[0]); field.value = ""; },
  "boxes-shots": (field) => act({ do: "shots", shots: field.value }),
  "boxes-template": (field) => act({ do: "template", template: field.value }),
  "boxes-other": (field) => act({ do: "clip", backbone: field.value }),
  "boxes-backbone": (field) => {
    step.other = field.value === "other";
    if (step.other) { showBackbone(); find("#boxes-other").focus(); } else act({ do: "clip", backbone: field.value });
  },
};
element.addEventListener("change", ({ target }) => {
  // The answer brings this value as an attribute: were it a new one, it would replace what is typed meanwhile.
  if (target.type === "text") target.setAttribute("value", target.value);
  step.typed.set(target, target.value);
  if (target.matches("input")) step.filled = false;
  if (target.matches(".boxes-name")) act({ do: "class_name", box: boxOf(target).dataset.box, name: target.value });
  else if (CHANGES[target.id]) CHANGES[target.id](target);
});
