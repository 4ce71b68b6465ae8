// What a new drawing of the first step must not lose: the chosen backbone, what is to be mended, the focus.
function showBackbone() {
  const own = !(data().offered || []).includes(data().backbone);
  find("#pictures-backbone").value = own || step.other ? "other" : data().backbone;
  find(".pictures-other").hidden = !(own || step.other);
}

const toMend = () => find("[aria-invalid=true]") || (!find(".pictures-refused").hidden && find("[data-do=choose]"));

function remove(node) {
  const place = [...element.querySelectorAll("[data-picture]")].indexOf(node.closest("[data-picture]"));
  clearTimeout((waiting.get(pictureOf(node)) || {}).timer);
  act({ do: "remove", picture: pictureOf(node) }, () => {
    const left = [...element.querySelectorAll("[data-picture]")], near = left[Math.min(place, left.length - 1)];
    return near ? near.querySelector(".pictures-square, button") : find("[data-do=choose]");
  });
}

watch("value", () => {
  if (!find(".pictures")) return;
  if (!door.busy) say("");
  showBackbone();
  showDoor();
  showPending();
  for (const field of element.querySelectorAll("[aria-invalid=true]")) field.value = step.typed.get(field) ?? field.value;
  const details = find("details");
  details.open = step.naming || Boolean(details.querySelector("[aria-invalid=true]"));
  focusAsked();
});
