/* The report: the pictures behind a mistake, in a dialog; all of them stand in the page. */
const told = JSON.parse(document.getElementById("data").textContent);
const dialog = document.querySelector("dialog.mistake");

function made(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function by_picture(entries) {  // several draws may mistake one picture
  const found = new Map();
  for (const { place, seed, confidence } of entries) {
    const one = found.get(place) ?? { seeds: [], sure: confidence };
    one.seeds.push(seed);
    found.set(place, one);
  }
  return [...found];
}

function picture([place, { seeds, sure }]) {
  const image = made("img"), name = told.names[place] ?? "";
  image.src = told.pictures[place];
  image.alt = name || `test picture ${place}`;
  const draws = told.draws > 1 ? `, draw${seeds.length > 1 ? "s" : ""} ${seeds.sort().join(", ")}` : "";
  return made("figure", "", image, made("figcaption", "", made("span", name), made("small", `${Math.round(100 * sure)} % sure${draws}`)));
}

function close() {
  const button = made("button", "Close");
  button.type = "button";
  button.addEventListener("click", () => dialog.close());
  return button;
}

confusion(document, (button, method, truth, predicted) => {
  const row = told.rows[method], entries = row.confused[`${truth},${predicted}`] ?? [];
  const found = by_picture(entries), heading = made("h2", `${told.classes[truth]} taken for ${told.classes[predicted]}`);
  heading.id = "mistake";
  const said = button.closest("table") ? button.textContent : button.nextElementSibling.textContent.split(" ")[0];
  const count = `${said} answer${said === "1" ? "" : "s"} of ${row.label}`;
  const some = entries.length < Number(said) ? `; ${entries.length} of them are kept here` : "";
  const kept = found.length ? `${count}${some}, the surest first.` : `${count}. No picture of it is kept here; predictions.csv names them.`;
  dialog.replaceChildren(
    made("header", "", heading, close()), made("p", kept),
    made("div", "", ...found.map(picture)));
  dialog.setAttribute("aria-labelledby", "mistake");
  dialog.showModal();
});
if (dialog) dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
