// The camera: a dialog that takes one picture after another. It exists in a secure context only.
const hasCamera = window.isSecureContext && navigator.mediaDevices && navigator.mediaDevices.getUserMedia;
element.dataset.camera = hasCamera ? "yes" : "no";
const CAMERA_WORDS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the address, or choose files.",
  NotFoundError: "There is no camera here. Choose files.",
  NotReadableError: "Another program is using the camera. Close it, or choose files.",
};
const CAMERA = `<h2>Camera</h2><video autoplay playsinline muted aria-label="What the camera sees"></video>
<p class="error" role="alert" hidden></p><p class="muted" role="status"></p>
<p class="pictures-doors"><button type="button" class="button main" data-take disabled>Take a picture</button>
<button type="button" class="button" data-close>Done</button></p>`;

async function openCamera() {
  let stream = null, closed = false, taken = 0;
  const stop = () => { closed = true; if (stream) stream.getTracks().forEach((track) => track.stop()); };
  const dialog = popup(CAMERA, stop);
  dialog.setAttribute("aria-label", "Camera");
  const [video, error, status, take] = ["video", ".error", "[role=status]", "[data-take]"].map((what) => dialog.querySelector(what));
  take.addEventListener("click", async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    upload([new File([blob], "camera.jpg", { type: "image/jpeg" })]);
    taken += 1;
    status.textContent = taken === 1 ? "1 picture taken. Turn it and take another." : `${taken} pictures taken.`;
  });
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: "environment", width: { ideal: 1280 } } });
    if (closed) return stop();
    video.srcObject = stream;
    video.addEventListener("playing", () => { take.disabled = false; take.focus(); });
  } catch (reason) {
    video.hidden = true;
    error.hidden = false;
    error.textContent = CAMERA_WORDS[reason.name] || "The camera could not be opened. Choose files.";
  }
}
