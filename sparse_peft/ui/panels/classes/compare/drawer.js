/* The inside of a cell: one of its test pictures large, with what every row said of it. */
const node = (tag, fields = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...children);
  return made;
};
const markOf = (row) => element.querySelector(`[data-mark="${CSS.escape(row)}"] svg`)?.cloneNode(true) ?? "";

function cellPictures(data, row, cell, at, choose) {
  const answer = (one) => node("tr", {},
    node("th", { scope: "row" }, markOf(one.row), ` ${data.rows[one.row].label}`),
    node("td", { className: one.right ? "" : "classes-wrong", textContent: one.class }),
    node("td", { className: "mono", textContent: `${Math.round(100 * one.confidence)} %` }),
    node("td", { textContent: one.right ? "right" : "wrong" }));
  const table = (picture) => node("table", {},
    node("thead", {}, node("tr", {}, ...["by", "says", "how sure", ""].map((text) => node("th", { scope: "col", textContent: text })))),
    node("tbody", {}, ...picture.said.map(answer)));
  const large = (picture) => node("div", { className: "classes-large" },
    node("figure", {}, node("img", { src: picture.src, alt: `A picture of ${cell.truth}` }),
      node("figcaption", { textContent: `${picture.name}${data.seeds > 1 ? `, draw ${picture.seed}` : ""}` })),
    node("div", {}, node("p", {}, "It shows: ", node("b", { textContent: cell.truth })), table(picture)));
  const small = cell.pictures.map((picture, place) => {
    const image = node("img", { src: picture.src, alt: `Picture ${place + 1} of ${cell.pictures.length}` });
    return node("button", { type: "button", ariaPressed: String(place === at), onclick: () => choose(place) }, image);
  });
  const rest = cell.of > small.length ? ` The ${small.length} that it was surest of:` : "";
  const count = `${cell.of} test ${cell.of === 1 ? "picture" : "pictures"}.`;
  return [
    node("h2", {}, `${cell.truth}${cell.truth === cell.predicted ? ", named right" : `, taken for ${cell.predicted}`}`),
    node("p", { className: "classes-by" }, markOf(row), ` ${data.rows[row].label}: ${count}${rest}`),
    large(cell.pictures[at]),
    node("div", { className: "classes-small" }, ...(small.length > 1 ? small : [])),
  ];
}
