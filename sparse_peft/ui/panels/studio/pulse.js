/* The pulse: what has moved since it was drawn is drawn anew, and what has become of runs is said. */
(() => {
  const BUSY_MS = 1000, CALM_MS = 5000, PATIENCE_MS = 8000;
  const ALL = ["strip", "heading", "matrix", "numbers", "history", "switch", "pictures", "classes", "methods"];
  let seen = null, timer = 0, beating = false;
  studio.look = (panels = ALL) => {
    const wanted = panels.filter((panel) => panel !== "history");
    if (wanted.length < panels.length) studio.historyAgain?.();
    if (wanted.length) studio.act(studio.boards.strip.trigger, { do: "look", panels: wanted });
  };
  /* What is drawn is what is seen: the state of a moment ago may come back while an answer shows another. */
  const drawn = () => Object.entries(studio.boards).flatMap(([name, { props }]) => {
    const version = props.value?.version;
    return version && (name !== "history" || studio.historyShown?.()) ? [[name, version]] : [];
  });
  const ask = async () => {
    const versions = JSON.stringify({ ...seen, ...Object.fromEntries(drawn()) });
    const asked = new URLSearchParams({ open: studio.open, seen: versions });
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
    if (!now) { studio.missed(); return again(BUSY_MS); }
    if (now.stranger) return studio.tell("This browser's cookie is gone. Load the page again.");
    const fresh = studio.met(now.versions.server !== seen.server), late = studio.asking();
    seen = now.versions;
    if (now.said) studio.say(now.said);
    /* While an answer is on its way, the next beat will tell what it has left undrawn. */
    if (now.moved.length && !fresh && !late) studio.look(now.moved);
    studio.sync();
    return again(now.busy || (late && now.moved.length) ? BUSY_MS : CALM_MS);
  };
  const again = (wait) => { if (!document.hidden) timer = setTimeout(beat, wait); };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) beat(); });
  again(0);
})();
