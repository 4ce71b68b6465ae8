/* The report: its matrix, with the pictures that stand in the page, and which methods are in view. */
const told = JSON.parse(document.getElementById("data").textContent);
matrix(document, told);
const methods = legend(() => [document.body], () => told);
document.addEventListener("change", methods.change);
document.addEventListener("click", methods.click);
methods.apply();
tracing();
