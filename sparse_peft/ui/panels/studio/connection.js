/* A lost connection is told, and so is its return; a server that was started again is met. */
(() => {
  const BACK_MS = 5000, DEAF_MS = 6000;
  const LOST = "Connection lost. Training goes on.";
  let failed = 0, deaf = 0;
  /* Kept with the address, because Gradio may load the page again by itself before we are back. */
  const note = (lost) => {
    studio.lost = lost;
    studio.unask();
    history.replaceState({ ...history.state, lost }, "");
  };
  if (history.state?.lost) studio.lost = LOST;
  studio.missed = () => {
    failed += 1;
    if (failed < 2 || studio.lost) return;
    note(LOST);
    studio.tell(LOST);
  };
  /* Whether everything is asked for anew. */
  studio.met = (restarted) => {
    failed = 0;
    if (!studio.lost && !restarted) return false;
    if (studio.lost) studio.tell("Back. Nothing was lost.", BACK_MS);
    note("");
    deaf = setTimeout(() => location.reload(), DEAF_MS);  // a server deaf to acts has another page
    studio.look();
    return true;
  };
  studio.heard = () => clearTimeout(deaf);
})();
