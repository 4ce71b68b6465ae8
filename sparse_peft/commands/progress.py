"""Progress of a comparison's runs on a terminal: a bar for each method, or plain lines in a log."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from tqdm import tqdm

LINES_PER_RUN = 5  # where there is no terminal


class Progress:
    """Shows events as they come; `labels` names the runs, `steps` says how long each trains."""

    def __init__(self, labels: Mapping[str, str], steps: Mapping[str, int]) -> None:
        self._labels, self._steps = labels, steps
        self._out = out = sys.stderr
        self._bars: dict[str, Any] = {}
        if out.isatty():
            self._bars = {
                run: tqdm(total=steps.get(run, 1), desc=f"{label:9}", position=i, file=out,
                          leave=True, bar_format="{desc} {bar} {n_fmt}/{total_fmt} {postfix}")
                for i, (run, label) in enumerate(labels.items())
            }  # fmt: skip

    def follow(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Show all events until they end."""
        try:
            for run, event in events:
                if event["kind"] == "waiting":
                    self._wait(int(event["runs"]))
                elif run in self._labels:
                    self._show(run, event)
        finally:
            for bar in self._bars.values():
                bar.close()

    def _wait(self, runs: int) -> None:
        text = f"Waiting for {runs} other run{'' if runs == 1 else 's'}"
        if self._bars:
            tqdm.write(text, file=self._out)
        else:
            print(text, file=self._out, flush=True)

    def _show(self, run: str, event: Mapping[str, Any]) -> None:
        kind = event["kind"]
        if kind == "step":
            self._step(run, int(event["step"]), float(event["loss"]))
        elif kind == "evaluation":
            right = f"{100 * float(event['accuracy']):.0f} %"
            self._say(run, f"step {event['step']}: {right} of {event['of']} test pictures right")
        elif kind == "stage":
            self._say(run, str(event["text"]))
        elif kind == "note":
            self._note(run, str(event["text"]))
        elif kind == "state" and event["state"] not in ("queued", "running"):
            self._end(run, event)

    def _step(self, run: str, step: int, loss: float) -> None:
        if run in self._bars:
            bar = self._bars[run]
            bar.n = step
            bar.set_postfix_str(f"loss {loss:.3f}")
        elif step % max(1, self._steps.get(run, 1) // LINES_PER_RUN) == 0:
            self._say(run, f"step {step} of {self._steps.get(run)}, loss {loss:.3f}")

    def _end(self, run: str, event: Mapping[str, Any]) -> None:
        why = event["error"] or event["note"]
        if event["state"] == "finished" and run in self._bars:
            self._bars[run].n = self._bars[run].total
        self._say(run, str(event["state"]) + (f": {why}" if why else ""))

    def _note(self, run: str, text: str) -> None:
        if run in self._bars:  # above the bars, where it stays
            tqdm.write(f"{self._labels[run]:9} {text}", file=self._out)
        else:
            self._say(run, text)

    def _say(self, run: str, text: str) -> None:
        if run in self._bars:
            self._bars[run].set_postfix_str(text[:60])
        else:
            print(f"{self._labels[run]:9} {text}", file=self._out, flush=True)
