// Asking the server from a board; it shares the scope of the scripts that are listed with it.
const asks = { focus: null };
function act(asked, focus) { // focus: gives what has it once the answer is drawn
  studio.act(trigger, asked, () => { asks.focus = focus; });
}
function focusAsked() {
  const goal = asks.focus && asks.focus();
  asks.focus = null;
  if (goal) goal.focus();
}
