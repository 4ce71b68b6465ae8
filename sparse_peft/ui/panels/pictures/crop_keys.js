// The square by keys, and by a tap beside it.
const SIZE_STEP = 0.025; // of the picture's shorter side
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SIZES = { "+": 1, "=": 1, "-": -1, _: -1 };

element.addEventListener("keydown", (event) => {
  if (!event.target.matches(".pictures-square") || event.ctrlKey || event.metaKey || event.altKey) return;
  const frame = event.target.parentNode, [left, top, side] = squareOf(frame);
  if (event.key === "Delete" || event.key === "Backspace") remove(frame);
  else if (ARROWS[event.key]) {
    const [x, y] = ARROWS[event.key], far = event.shiftKey ? 10 : 1;
    place(frame, left + x * far, top + y * far, side);
  } else if (SIZES[event.key]) {
    const most = Math.min(frame.dataset.width, frame.dataset.height);
    const size = within(side + SIZES[event.key] * Math.max(1, most * SIZE_STEP), data().least_side, most);
    place(frame, left + (side - size) / 2, top + (side - size) / 2, size);
  } else return;
  event.preventDefault();
  if (frame.dataset.square !== [left, top, side].join()) { step.filled = false; tell(frame, 300); }
});

element.addEventListener("click", (event) => {
  const frame = event.target.closest(".pictures-frame");
  if (!frame || event.target.closest(".pictures-square")) return;
  const box = frame.getBoundingClientRect(), scale = frame.dataset.width / box.width, [, , side] = squareOf(frame);
  place(frame, (event.clientX - box.left) * scale - side / 2, (event.clientY - box.top) * scale - side / 2, side);
  step.filled = false;
  tell(frame, 0);
  frame.querySelector(".pictures-square").focus();
});
