// Drop and paste: onto a class, or beside the boxes for folders of classes and a ZIP of them.
async function send(address, field, files, where) {
  const form = new FormData();
  for (const file of files) form.append(field, file, file.name);
  const names = files.length === 1 ? files[0].name : `${files[0].name} and ${files.length - 1} more`;
  try {
    const answer = await fetch(`${address}?${new URLSearchParams(where)}`, { method: "POST", body: form });
    const told = await answer.json().catch(() => ({}));
    return answer.ok ? "" : told.error || `${names} could not be added (${answer.status}). Try again.`;
  } catch { // no answer at all, or a file that has gone meanwhile
    return `${names} did not arrive: the studio does not answer, or the file has gone. Try again.`;
  }
}

/* A picture's class is the folder that it is in; what is below a folder called test tests it. */
function giveFolders(found) {
  const groups = new Map();
  for (const [file, path] of found) {
    const parts = path.split("/").filter(Boolean), above = parts.slice(0, -2), name = parts[parts.length - 2], beside = data().sidecars.some((end) => path.toLowerCase().endsWith(end));
    if (!name || beside || parts.some((part) => part.startsWith(".")) || above.some((part) => /^val(id(ation)?)?$/i.test(part))) continue;
    const where = { name, ...(above.some((part) => /^test(ing)?$/i.test(part)) && { test: true }) };
    const key = JSON.stringify(where);
    groups.set(key, [...(groups.get(key) || []), file]);
  }
  if (!groups.size) refuse("No picture is in a folder there. Give a folder that holds a folder for each class.");
  for (const [key, files] of groups) give(files, JSON.parse(key));
}
function refuse(sentence) { door.errors = [sentence]; showDoor(); }

const here = () => find(".boxes") && element.offsetParent !== null && !document.querySelector("dialog[open]");
const listed = (reader) => new Promise((done) => reader.readEntries(done, () => done([])));
async function contents(entry) {
  if (entry.isFile) return new Promise((done) => entry.file((file) => done([[file, entry.fullPath]]), () => done([])));
  const found = [];
  for (let reader = entry.createReader(), part = await listed(reader); part.length; part = await listed(reader)) {
    found.push(...(await Promise.all(part.map(contents))).flat());  // a reader gives a hundred at a time
  }
  return found;
}
async function dropped(transfer, box) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  const loose = [...transfer.files];  // read now: the transfer is empty after the first wait
  const found = entries.length ? (await Promise.all(entries.map(contents))).flat() : loose.map((file) => [file, file.name]);
  const archive = found.find(([file]) => /\.zip$/i.test(file.name));
  if (archive) return giveArchive(archive[0]);
  if (box) return give(found.map(([file]) => file), { box });
  return entries.some((entry) => entry.isDirectory) ? giveFolders(found) : refuse("Drop pictures onto the class that they show.");
}

const bringsFiles = (event) => here() && event.dataTransfer && event.dataTransfer.types.includes("Files");
const mark = (box) => all(".boxes-box").forEach((each) => { each.dataset.over = each === box ? "yes" : "no"; });
document.addEventListener("dragover", (event) => { if (bringsFiles(event)) { event.preventDefault(); mark(boxOf(event.target)); } });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(null); });
document.addEventListener("drop", (event) => {
  mark(null);
  if (!bringsFiles(event)) return;
  event.preventDefault();
  dropped(event.dataTransfer, element.contains(event.target) && boxOf(event.target) ? boxOf(event.target).dataset.box : null);
});
