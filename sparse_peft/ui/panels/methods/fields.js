// Ticks, presets and the fields of More settings: each tells the server when it has been changed.
const PLACES = {
  steps: (value) => ({ do: "steps", steps: value }),
  seed: (value) => ({ do: "seed", seed: value }),
  train_seeds: (value) => ({ do: "train_seeds", train_seeds: value }),
};

function asked(field) {
  const { place } = field.dataset;
  const value = field.type === "checkbox" ? field.checked : field.value;
  if (PLACES[place]) return PLACES[place](value);
  const [method, name] = place.split(".");
  return name === "lr" ? { do: "lr", method, lr: value } : { do: "field", method, name, value };
}

element.addEventListener("change", ({ target }) => {
  // The answer brings this value as an attribute: were it a new one, it would replace what is typed meanwhile.
  if (target.matches("input[type=text]")) {
    typed[target.id] = target.value;
    target.setAttribute("value", target.value);
  }
  if (target.name === "methods-preset") act({ do: "preset", preset: target.value });
  else if (target.closest(".methods-tick")) act({ do: "tick", method: cardOf(target).dataset.method, on: target.checked });
  else if (target.id === "methods-linear-probe") act({ do: "linear_probe", on: target.checked });
  else if (target.id === "methods-prompts") act({ do: "prompts", text: target.value });
  else if (target.dataset.place) act(asked(target));
});
