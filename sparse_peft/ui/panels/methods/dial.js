// The budget dial: every card changes while the thumb moves; the server is told at its rest.
const REST_MS = 200, DOUBLING = 4;
const dial = { timer: null, waiting: null };

function stop() {
  const input = find("#methods-stop");
  return dial.waiting === null ? Number(input ? input.value : data().stop) : dial.waiting;
}

function showCard(card, at) {
  const method = data().methods[card.dataset.method];
  if (!method) return;
  data().parts.forEach((part, place) => {
    for (const node of card.querySelectorAll(`[data-of=${part}]`)) {
      if (node.textContent !== method.rows[at][place]) node.textContent = method.rows[at][place];
    }
  });
  if (!card.matches(".methods-card")) return;
  const low = at < method.low, over = card.dataset.over === "yes", ticked = card.dataset.ticked === "yes";
  card.dataset.state = low && !over ? "off" : low && ticked ? "over" : "on";
  const box = card.querySelector(".methods-tick input");
  box.disabled = low && !over;
  box.checked = ticked && !box.disabled;
}

function showDial() {
  const input = find("#methods-stop");
  if (!input || !data().budgets) return;
  const at = dial.waiting === null ? data().stop : dial.waiting;
  const [count, phrase] = [data().budgets[at], data().phrases[at]];
  input.value = at;
  input.setAttribute("aria-valuetext", `${count} trainable values, ${phrase}`);
  find("[data-dial=count]").textContent = count;
  find("[data-dial=phrase]").textContent = phrase;
  for (const card of all("[data-method]")) showCard(card, at);
}

function settle() {
  clearTimeout(dial.timer);
  if (dial.waiting !== null && dial.waiting !== data().stop) act({ do: "budget", stop: dial.waiting });
  dial.waiting = null;
}

element.addEventListener("input", ({ target }) => {
  if (target.id !== "methods-stop") return;
  dial.waiting = Number(target.value);
  clearTimeout(dial.timer);
  showDial();
});
element.addEventListener("change", ({ target }) => {
  if (target.id === "methods-stop") dial.timer = setTimeout(settle, REST_MS);
});
element.addEventListener("keydown", (event) => {
  const way = { PageUp: DOUBLING, PageDown: -DOUBLING }[event.key];
  if (event.target.id !== "methods-stop" || !way) return;
  event.preventDefault();
  event.target.value = stop() + way;
  for (const kind of ["input", "change"]) event.target.dispatchEvent(new Event(kind, { bubbles: true }));
});
