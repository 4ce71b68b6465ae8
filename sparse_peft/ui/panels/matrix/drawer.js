/* One picture large, with what is known of it; the dialogs stand outside the board, which is redrawn. */
function drawer(view) {
  const { root } = view;
  const made = (tag, fields = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), fields);
    node.append(...children);
    return node;
  };
  const home = made("div", { className: "studio" });
  document.body.append(home);
  const dialog = (name, label) => {
    const node = made("dialog", { className: name });
    node.setAttribute("aria-label", label);
    node.addEventListener("click", (event) => {
      if (event.target === node || event.target.closest("[data-close]")) node.close();
    });
    home.append(node);
    return node;
  };
  const big = dialog("drawer", "Picture"), keys = dialog("matrix-keys", "Keys of the matrix");
  const close = () => {
    const button = made("button", { className: "button quiet", type: "button", textContent: "Close" });
    button.dataset.close = "";
    return button;
  };
  const known = (rows) => {
    const list = made("dl");
    for (const [head, ...value] of rows) list.append(made("dt", { textContent: head }), made("dd", {}, ...value));
    return list;
  };
  const closest = (key) => {
    const place = view.data.closest[key];
    if (place === undefined) return ["not known for this picture"];
    const image = made("img", { src: view.data.mine[place], alt: `Picture ${place + 1} of your ${view.data.noun}` });
    return [image, `picture ${place + 1}`];
  };
  view.enlarge = (image) => {
    const found = image && view.find(image.dataset), { prompt, column } = image?.dataset ?? {};
    if (!found?.source) return;
    const score = view.data.scores[found.key] ?? [], at = found.step === "last" ? "last" : String(found.step);
    const save = made("a", { className: "button main", href: found.source, textContent: "Save PNG" });
    save.download = `${column}-step${at}-${prompt}-seed${found.seed}.png`;
    const title = made("h2", {}, root.querySelector(`.heads [data-method="${CSS.escape(column)}"] svg`).cloneNode(true), ` ${view.data.labels[column]}`);
    big.replaceChildren(title, made("img", { className: "drawer-picture", src: found.source, alt: image.alt }), known([
      ["Prompt", view.data.texts[prompt]], ["Read as", view.data.prompts[prompt]], ["Step", at], ["Seed", String(found.seed)],
      ["Subject fidelity", score[0] ?? "not measured"], ["Prompt fidelity", score[1] ?? "not measured"],
      [`Closest of your pictures`, ...closest(found.key)],
    ]), made("p", { className: "drawer-buttons" }, save, close()));
    big.showModal();
  };
  view.list = () => {
    keys.replaceChildren(made("h2", { textContent: "Keys of the matrix" }), known(view.data.keys), made("p", {}, close()));
    keys.showModal();
  };
}
