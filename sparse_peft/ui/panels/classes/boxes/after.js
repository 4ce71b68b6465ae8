// What a new drawing of the boxes must not lose: the chosen backbone, what is open, the focus.
function showBackbone() {
  const own = !(data().offered || []).includes(data().backbone);
  find("#boxes-backbone").value = own || step.other ? "other" : data().backbone;
  find(".boxes-other").hidden = !(own || step.other);
}

const toMend = () => find("[aria-invalid=true]") || find(".boxes-refused:not([hidden])") && find("[data-class=folder]")
  || find(".boxes-box .error") && boxOf(find(".boxes-box .error")).querySelector("[data-class=choose]");

function removeBox(box) {
  const place = all(".boxes-box").indexOf(box), count = Number(box.dataset.count);
  const go = () => act({ do: "class_remove", box: box.dataset.box }, () => {
    const names = all(".boxes-name");
    return names[Math.min(place, names.length - 1)] || find("[data-class=add]");
  });
  if (!count) return go();
  ask(`Remove ${box.dataset.called} and its ${count === 1 ? "picture" : `${count} pictures`}?`, "Remove", go);
}

element.addEventListener("toggle", ({ target }) => {
  if (target.matches("[data-keep]")) step.opened[target.open ? "add" : "delete"](target.dataset.keep);
}, true);

watch("value", () => {
  if (!find(".boxes")) return;
  if (!door.busy) say("");
  showBackbone();
  showDoor();
  for (const field of all("[aria-invalid=true]")) field.value = step.typed.get(field) ?? field.value;
  for (const details of all("details[data-keep]")) {
    details.open = step.opened.has(details.dataset.keep) || Boolean(details.querySelector("[aria-invalid=true]"));
  }
  focusAsked();
});
if (find(".boxes")) showBackbone();
