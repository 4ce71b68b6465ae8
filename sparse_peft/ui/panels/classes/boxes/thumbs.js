// The thumbnails of a class: one tab stop, arrows from picture to picture, Delete removes.
const WAYS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
const thumbsOf = (node) => [...node.closest(".boxes-thumbs").querySelectorAll("button")];

function goTo(button) {
  for (const each of thumbsOf(button)) each.tabIndex = each === button ? 0 : -1;
  button.focus();
}

function removePicture(button) {
  const list = button.closest(".boxes-thumbs"), box = boxOf(button).dataset.box;
  const place = thumbsOf(button).indexOf(button), which = [...boxOf(button).querySelectorAll(".boxes-thumbs")].indexOf(list);
  act({ do: "class_picture", box, sha256: button.dataset.sha256 }, () => {
    const left = boxAt(box) && boxAt(box).querySelectorAll(".boxes-thumbs")[which];
    const thumbs = left ? left.querySelectorAll(".boxes-thumb") : [];
    return thumbs[Math.min(place, thumbs.length - 1)] || (boxAt(box) && boxAt(box).querySelector("[data-class=choose]"));
  });
}

element.addEventListener("keydown", (event) => {
  const button = event.target.closest(".boxes-thumbs button");
  if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Delete" || event.key === "Backspace") { if (button.dataset.sha256) removePicture(button); }
  else if (WAYS[event.key]) {
    const thumbs = thumbsOf(button), place = thumbs.indexOf(button) + WAYS[event.key];
    goTo(thumbs[Math.max(0, Math.min(thumbs.length - 1, place))]);
  } else return;
  event.preventDefault();
});

// By touch the first tap shows the cross, the second removes: a thumb must not lose a picture by chance.
let untouched = null;
element.addEventListener("pointerdown", (event) => {
  const thumb = event.target.closest(".boxes-thumb");
  untouched = thumb && event.pointerType === "touch" && document.activeElement !== thumb ? thumb : null;
});
element.addEventListener("click", (event) => {
  if (!untouched || event.target.closest(".boxes-thumb") !== untouched) return;
  event.stopImmediatePropagation();
  goTo(untouched);
}, true);

document.addEventListener("paste", (event) => {
  const files = event.clipboardData ? [...event.clipboardData.files] : [];
  if (!here() || !files.length) return;
  event.preventDefault();
  if (step.box && boxAt(step.box)) give(files, { box: step.box });
  else refuse("Click into a class first, then paste.");
});

// The camera's button, held down, takes one picture after another.
function held() {
  const take = document.querySelector("dialog[open] [data-take]");
  let timer = 0;
  const stop = () => clearInterval(timer);
  take.title = "Hold it to take several";
  take.addEventListener("pointerdown", () => { stop(); timer = setInterval(() => take.isConnected ? take.click() : stop(), 400); });
  for (const end of ["pointerup", "pointerleave", "pointercancel"]) take.addEventListener(end, stop);
}
