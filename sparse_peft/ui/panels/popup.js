// A dialog outside the board, which a new drawing of the board cannot close.
function popup(html, gone) {
  const holder = document.createElement("div");
  holder.className = "studio";
  holder.innerHTML = `<dialog class="pictures-popup">${html}</dialog>`;
  document.body.append(holder);
  const dialog = holder.firstChild;
  dialog.addEventListener("close", () => { if (gone) gone(); holder.remove(); });
  dialog.addEventListener("click", (event) => { if (event.target.closest("[data-close]")) dialog.close(); });
  dialog.showModal();
  return dialog;
}

function ask(sentence, word, yes) {
  const dialog = popup(`<p></p><p class="pictures-doors"><button type="button" class="button main" data-close data-yes></button>
    <button type="button" class="button" data-close>Keep them</button></p>`);
  dialog.setAttribute("aria-label", sentence);
  dialog.querySelector("p").textContent = sentence;
  const button = dialog.querySelector("[data-yes]");
  button.textContent = word;
  button.addEventListener("click", yes);
}

function replacing(words, yes) {
  const fill = () => { step.filled = true; say(words); yes(); };
  if (!data().ready || step.filled) return fill();
  ask(`This replaces the ${data().count} on this page.`, "Replace", fill);
}
