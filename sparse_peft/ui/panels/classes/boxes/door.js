// Pictures come in some at a time, each for its class, and show up as they arrive.
const door = { line: "", errors: [], jobs: [], done: 0, of: 0, busy: false };

function showDoor() {
  const [line, error] = [find(".boxes-progress"), find(".boxes-refused")];
  if (!line) return;
  if (line.textContent !== door.line) line.textContent = door.line;
  if (!door.errors.length) return;
  error.hidden = false;
  error.textContent = door.errors.slice(0, 3).join(" ");
}
function say(words) { door.line = words; door.errors = words ? [] : door.errors; showDoor(); }
function upload(files) { give([...files], { box: step.box, ...(step.test && { test: true }) }); }  // a const would clash with Gradio's own

/* Not all at once: a request has its limits, and the first pictures are seen while others come. */
function give(files, where) {
  if (!door.busy) Object.assign(door, { errors: [], done: 0, of: 0 });
  const most = data().most_bytes, size = (bytes) => `${Math.round(bytes / 2 ** 19) / 2} MB`;
  const fits = files.filter(({ name, size: bytes }) => {
    if (bytes > most) door.errors.push(`${name} has ${size(bytes)}, at most ${size(most)} are allowed; make it smaller.`);
    return bytes <= most;
  });
  for (let part = []; fits.length;) {
    part.push(fits.shift());
    const bytes = part.reduce((sum, file) => sum + file.size, 0);
    if (!fits.length || part.length === data().most_files || bytes + fits[0].size > data().most_together) {
      door.jobs.push([part, where]);
      door.of += part.length;
      part = [];
    }
  }
  step.filled = false;
  showDoor();
  if (!door.busy && door.jobs.length) work();
}

async function work() {
  for (door.busy = true; door.jobs.length;) {
    const [files, where] = door.jobs.shift();
    door.line = `Adding ${door.done + 1} of ${door.of}`;
    showDoor();
    const error = await send("/studio/classes", "pictures", files, where);
    if (error) door.errors.push(error);
    door.done += files.length;
    if (door.jobs.length) act({ do: "look_classes", last: false });
  }
  [door.busy, door.line] = [false, ""];
  act({ do: "look_classes" });
  showDoor();
}

async function giveArchive(file) {
  if (!file || door.busy) return;
  Object.assign(door, { busy: true, errors: [], line: `Opening ${file.name}` });
  showDoor();
  const error = await send("/studio/classes/archive", "archive", [file], {});
  Object.assign(door, { busy: false, line: "", errors: error ? [error] : [] });
  act({ do: "look_classes" });
}
