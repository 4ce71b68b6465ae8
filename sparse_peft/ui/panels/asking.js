// Asking the server from a board; it shares the scope of the scripts that are listed with it.
// One question at a time: the answer to the one before must not be drawn over that to the next.
const asks = { waiting: [], timer: 0, focus: null };
function act(asked, focus) { // focus: gives what has it once the answer is drawn
  asks.waiting.push([asked, focus]);
  if (!asks.timer) askNext();
}
function askNext() {
  clearTimeout(asks.timer);
  const [asked, focus] = asks.waiting.shift() || [];
  asks.timer = asked ? setTimeout(askNext, 10000) : 0; // an answer may be lost
  asks.focus = focus;
  if (asked) studio.act(trigger, asked);
}
