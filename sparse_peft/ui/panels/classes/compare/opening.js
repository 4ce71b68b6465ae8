/* The drawer of a cell: it stands outside the board, which is redrawn, and asks for what it shows. */
function cellDrawer() {
  const home = node("div", { className: "studio" }), dialog = node("dialog", { className: "classes-drawer" });
  home.append(dialog);
  document.body.append(home);
  let asked = 0;
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => { asked += 1; });
  const show = (...children) => {
    const close = node("button", { className: "button", type: "button", textContent: "Close" });
    close.dataset.close = "";
    dialog.replaceChildren(...children, node("p", { className: "drawer-buttons" }, close));
    if (!dialog.open) dialog.showModal();
  };
  const fill = (data, row, cell, at) => {
    show(...cellPictures(data, row, cell, at, (place) => fill(data, row, cell, place)));
    dialog.querySelectorAll(".classes-small button")[at]?.focus();
  };
  return async (data, row, truth, predicted) => {
    const mine = (asked += 1), wanted = new URLSearchParams({ row, truth, predicted });
    dialog.setAttribute("aria-label", `${data.classes[truth]} and ${data.classes[predicted]}`);
    show(node("p", { className: "muted", textContent: "Looking for its pictures ..." }));
    const reply = await fetch(`/studio/comparisons/${data.comparison}/cell?${wanted}`).catch(() => null);
    const cell = reply && await reply.json().catch(() => null);
    if (mine !== asked) return;  // closed, or another cell by now
    if (reply?.ok && cell?.pictures.length) return fill(data, row, cell, 0);
    show(node("p", { className: "error", textContent: cell?.error ?? "The pictures could not be read. Try again." }));
  };
}
