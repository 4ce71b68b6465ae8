/* The report of classes: which rows are in view; `told` is what confused.js has read. */
const rows = legend(() => [document.body], () => told);
document.addEventListener("change", rows.change);
document.addEventListener("click", rows.click);
rows.apply();
tracing();
