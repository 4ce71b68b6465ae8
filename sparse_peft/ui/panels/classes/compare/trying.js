/* Try a picture: by file, drop, paste or camera; what comes is sent at once, one request for all of it. */
const trying = { line: "", error: "", busy: false };
const find = (what) => element.querySelector(what);
const here = () => find(".classes-try") && element.offsetParent !== null && !document.querySelector("dialog[open]");
function showTrying() {
  const line = find(".classes-progress"), error = find(".classes-refused");
  if (!line) return;
  [line.hidden, line.textContent] = [!trying.line, trying.line];
  [error.hidden, error.textContent] = [!trying.error, trying.error];
}
async function upload(files) {
  const { most_bytes: most, most_at_once: many, comparison } = props.value.data.trying;
  if (!files.length || trying.busy) return;
  const large = [...files].find((file) => file.size > most), mb = (bytes) => `${Math.round(bytes / 2 ** 19) / 2} MB`;
  trying.error = files.length > many ? `${files.length} pictures came at once; try up to ${many}.` : "";
  if (large) trying.error = `${large.name} has ${mb(large.size)}, at most ${mb(most)} are allowed; make it smaller.`;
  if (trying.error) return showTrying();
  Object.assign(trying, { busy: true, line: files.length > 1 ? `Adding ${files.length} pictures` : "Adding the picture" });
  showTrying();
  trying.error = await send(comparison, files);
  Object.assign(trying, { busy: false, line: "" });
  showTrying();
  if (!trying.error) studio.act(trigger, { do: "look", panels: ["strip", "matrix"] });
}
async function send(comparison, files) {
  const form = new FormData();
  for (const file of files) form.append("pictures", file, file.name);
  try {
    const answer = await fetch(`/studio/comparisons/${comparison}/try`, { method: "POST", body: form });
    const told = await answer.json().catch(() => ({}));
    return answer.ok ? "" : told.error || `That did not work (${answer.status}). Try it again.`;
  } catch { // no answer at all, or a file that has gone meanwhile
    return "The picture did not arrive: the studio does not answer, or the file has gone. Try it again.";
  }
}
watch("value", showTrying);
element.addEventListener("click", ({ target }) => {
  const does = target.closest("[data-try]")?.dataset.try;
  if (does === "choose") find("#classes-files").click();
  if (does === "camera") openCamera();
});
element.addEventListener("change", ({ target }) => {
  if (target.id !== "classes-files") return;
  upload([...target.files]);
  target.value = "";
});
document.addEventListener("paste", (event) => {
  const files = event.clipboardData ? [...event.clipboardData.files] : [];
  if (!here() || !files.length) return;
  event.preventDefault();
  upload(files);
});
