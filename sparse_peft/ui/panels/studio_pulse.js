/* The pulse: what has moved is drawn anew, a lost connection is told, a restarted server is met. */
(() => {
  const BUSY_MS = 1000, CALM_MS = 5000, PATIENCE_MS = 8000, BACK_MS = 5000, DEAF_MS = 6000;
  const LOST = "Connection lost. Training goes on.";
  const ALL = ["strip", "heading", "matrix", "numbers", "history", "switch", "pictures", "classes", "methods"];
  let seen = null, timer = 0, failed = 0, beating = false, deaf = 0;
  studio.look = (panels) => {
    const wanted = panels.filter((panel) => panel !== "history");
    if (wanted.length < panels.length) studio.historyAgain?.();
    if (wanted.length) studio.act(studio.boards.strip.trigger, { do: "look", panels: wanted });
  };
  /* Kept with the address, because Gradio may load the page again by itself before we are back. */
  const note = (lost) => { studio.lost = lost; history.replaceState({ ...history.state, lost }, ""); };
  if (history.state?.lost) studio.lost = LOST;
  const missed = () => {
    failed += 1;
    if (failed < 2 || studio.lost) return;
    note(LOST);
    studio.tell(LOST);
  };
  const met = (restarted) => {
    failed = 0;
    if (!studio.lost && !restarted) return false;
    if (studio.lost) studio.tell("Back. Nothing was lost.", BACK_MS);
    note("");
    deaf = setTimeout(() => location.reload(), DEAF_MS);  // a server deaf to acts has another page
    studio.look(ALL);
    return true;
  };
  studio.answered = () => clearTimeout(deaf);
  const ask = async () => {
    const asked = new URLSearchParams({ open: studio.open, seen: JSON.stringify(seen ?? {}) });
    const reply = await fetch(`/studio/pulse?${asked}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (reply.status === 401) return { stranger: true };
    return reply.ok ? reply.json() : null;
  };
  const beat = async () => {
    clearTimeout(timer);
    if (document.hidden || beating || !studio.boards.strip?.props.value?.data) return again(BUSY_MS);
    beating = true;
    seen ??= studio.boards.strip.props.value.data.versions;
    const now = await ask().catch(() => null);
    beating = false;
    if (!now) { missed(); return again(BUSY_MS); }
    if (now.stranger) return studio.tell("This browser's cookie is gone. Load the page again.");
    const fresh = met(now.versions.server !== seen.server);
    seen = now.versions;
    /* An answer may be drawn after a look that was asked for later: then the strip is the older one. */
    const drawn = studio.boards.strip.props.value?.data?.versions?.strip;
    if (drawn !== seen.strip && !now.moved.includes("strip")) now.moved.push("strip");
    if (now.said) studio.say(now.said);
    if (now.moved.length && !fresh) studio.look(now.moved);
    studio.sync();
    return again(now.busy ? BUSY_MS : CALM_MS);
  };
  const again = (wait) => { if (!document.hidden) timer = setTimeout(beat, wait); };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) beat(); });
  again(0);
})();
