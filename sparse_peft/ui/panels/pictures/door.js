// Pictures come in by files, drop and paste, one upload each, and show up one after another.
const door = { line: "", errors: [], files: [], of: 0, busy: false };

function showDoor() {
  const [line, error] = [find(".pictures-progress"), find(".pictures-refused")];
  line.hidden = !door.line;
  line.textContent = door.line;
  if (!door.errors.length) return;
  error.hidden = false;
  error.textContent = door.errors.slice(0, 3).join(" ");
}
function say(words) { door.line = words; door.errors = words ? [] : door.errors; showDoor(); }

async function upload(files) {
  if (!door.busy) [door.errors, door.of] = [[], 0];
  if (!files.length) return;
  door.files.push(...files);
  door.of += files.length;
  step.filled = false;
  if (door.busy) return;
  for (door.busy = true; door.files.length;) {
    door.line = `Adding ${door.of - door.files.length + 1} of ${door.of}`;
    showDoor();
    const error = await send(door.files.shift());
    if (error) door.errors.push(error);
    if (door.files.length) act({ do: "look_pictures", last: false });
  }
  [door.busy, door.line] = [false, ""];
  act({ do: "look_pictures" });
  showDoor();
}

async function send(file) {
  const most = data().most_bytes, size = (bytes) => `${Math.round(bytes / 2 ** 19) / 2} MB`;
  if (file.size > most) return `${file.name} has ${size(file.size)}, at most ${size(most)} are allowed; make it smaller.`;
  const form = new FormData();
  form.append("pictures", file, file.name);
  try {
    const answer = await fetch("/studio/pictures", { method: "POST", body: form });
    const told = await answer.json().catch(() => ({}));
    return answer.ok ? "" : told.error || `${file.name} could not be added (${answer.status}). Try it again.`;
  } catch { // no answer at all, or a file that has gone meanwhile
    return `${file.name} did not arrive: the studio does not answer, or the file has gone. Try it again.`;
  }
}

const here = () => find(".pictures") && element.offsetParent !== null && !document.querySelector("dialog[open]");
document.addEventListener("paste", (event) => {
  const files = event.clipboardData ? [...event.clipboardData.files] : [];
  if (!here() || !files.length) return;
  event.preventDefault();
  upload(files);
});
