/* Asking the server, one question of a page at a time: as they were asked, so they are done, and no
   answer stays drawn over that to a later question. The answer's turn is told when all of it is drawn. */
(() => {
  const PATIENCE_MS = 10000;  // an answer may be lost
  const waiting = [];
  let turn = 0, timer = 0, overtaken = false;
  const next = () => {
    clearTimeout(timer);
    const { trigger, detail, sent } = waiting.shift() ?? {};
    timer = detail ? setTimeout(next, PATIENCE_MS) : 0;
    if (!detail) return;
    turn += 1;
    sent?.();
    /* A click means the form it was made on; a look means what is looked at when its turn comes. */
    const about = detail.do === "look" ? studio.about : detail.about;
    trigger("act", { ...detail, about, open: studio.open, turn });
  };
  studio.asking = () => Boolean(timer);
  studio.act = (trigger, detail, sent) => {
    if (studio.lost) return studio.tell(studio.lost);  // Gradio would only complain in its own words
    waiting.push({ trigger, detail: { ...detail, about: studio.about }, sent });
    if (!timer) next();
  };
  studio.answered = (answered) => {
    overtaken ||= answered < turn;  // given up, and there at last: drawn over what came since
    if (timer && answered === turn) next();
    if (!overtaken || timer) return;
    overtaken = false;
    studio.look();
  };
  studio.unask = () => {
    clearTimeout(timer);
    timer = waiting.length = 0;
  };
})();
