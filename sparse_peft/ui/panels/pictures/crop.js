// The square over each picture: moved by pointer and keys, in whole pixels of the picture.
const waiting = new Map(); // squares that the server has not been told yet, by picture
let held = null;
const within = (value, low, high) => Math.round(Math.max(low, Math.min(value, high)));

function place(frame, left, top, side) {
  const [width, height] = [Number(frame.dataset.width), Number(frame.dataset.height)];
  side = within(side, Math.min(data().least_side, width, height), Math.min(width, height));
  left = within(left, 0, width - side);
  top = within(top, 0, height - side);
  frame.dataset.square = [left, top, side].join();
  for (const [name, part] of [["left", left / width], ["top", top / height], ["side", side / width]])
    frame.style.setProperty(`--${name}`, `${part * 100}%`);
  const square = frame.querySelector(".pictures-square");
  square.setAttribute("aria-valuenow", left);
  square.setAttribute("aria-valuemax", width - side);
  square.setAttribute("aria-valuetext", `${left} from the left, ${top} from the top, ${side} pixels a side`);
}
const squareOf = (frame) => frame.dataset.square.split(",").map(Number);

function tell(frame, milliseconds) {
  const picture = pictureOf(frame);
  clearTimeout((waiting.get(picture) || {}).timer);
  const timer = setTimeout(() => {
    const [left, top, side] = waiting.get(picture).square;
    waiting.delete(picture);
    act({ do: "move", picture, left, top, side });
  }, milliseconds);
  waiting.set(picture, { square: squareOf(frame), timer });
}
function showPending() {
  for (const tile of element.querySelectorAll(".pictures-tile"))
    if (waiting.has(tile.dataset.picture)) place(tile.querySelector(".pictures-frame"), ...waiting.get(tile.dataset.picture).square);
}

element.addEventListener("pointerdown", (event) => {
  const square = event.target.closest(".pictures-square");
  if (!square || event.button) return;
  const frame = square.parentNode;
  held = { frame, from: squareOf(frame), x: event.clientX, y: event.clientY, resizes: event.target.matches(".pictures-grip") };
  square.setPointerCapture(event.pointerId);
});
element.addEventListener("pointermove", (event) => {
  if (!held) return;
  const scale = held.frame.dataset.width / held.frame.clientWidth;
  const [x, y] = [(event.clientX - held.x) * scale, (event.clientY - held.y) * scale];
  const [left, top, side] = held.from, { width, height } = held.frame.dataset;
  if (held.resizes) place(held.frame, left, top, Math.min(side + (Math.abs(x) > Math.abs(y) ? x : y), width - left, height - top));
  else place(held.frame, left + x, top + y, side);
});
element.addEventListener("pointerup", () => {
  if (held && held.from.join() !== held.frame.dataset.square) { step.filled = false; tell(held.frame, 0); }
  held = null;
});
element.addEventListener("pointercancel", () => { // the page scrolls instead
  if (held) place(held.frame, ...held.from);
  held = null;
});
