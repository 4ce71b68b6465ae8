// Drop, anywhere on the tab: files, or a folder with files.
const contents = (entry) => new Promise((done) => {
  if (entry.isFile) entry.file((file) => done([file]), () => done([]));
  else entry.createReader().readEntries(async (inside) => {
    const files = inside.filter((each) => each.isFile && !each.name.startsWith("."));
    done((await Promise.all(files.map(contents))).flat());
  }, () => done([]));
});

async function dropped(transfer) {
  const files = [...transfer.files]; // read now: the transfer is empty after the first wait
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  if (!entries.some((entry) => entry && entry.isDirectory)) return files;
  return (await Promise.all(entries.filter(Boolean).map(contents))).flat();
}

const bringsFiles = (event) => here() && event.dataTransfer && event.dataTransfer.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!bringsFiles(event)) return;
  event.preventDefault();
  element.dataset.over = "yes";
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) element.dataset.over = "no"; });
document.addEventListener("drop", async (event) => {
  element.dataset.over = "no";
  if (!bringsFiles(event)) return;
  event.preventDefault();
  upload(await dropped(event.dataTransfer));
});
