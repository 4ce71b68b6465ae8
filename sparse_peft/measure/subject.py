"""What one run drew and how it scores: reports and features of a run's folder, as numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from sparse_peft.errors import RunError
from sparse_peft.metrics import pictures
from sparse_peft.metrics.intervals import Interval, interval
from sparse_peft.underway import Underway, below_samples, sample_row

METRICS = ("subject_fidelity", "prompt_fidelity", "diversity", "drift")
SAME_PICTURE = 1e-3  # mean 1 - cosine to the base's pictures below which nothing was learned
UNIT = 1e-3  # how far a feature's length may be from 1


@dataclass(frozen=True, eq=False)
class Drawn:
    """The pictures of one run: its report, and the judge's features where there was a judge.

    A train run is read against the prepare run, whose prompts and seeds it must cover.
    """

    folder: Path
    report: dict[str, Any]
    features: Mapping[str, Float[np.ndarray, "N D"]]
    base: "Drawn | None" = None

    @classmethod
    def read(cls, folder: Path, base: "Drawn | None" = None) -> "Drawn":
        """What a run left in its folder.

        Raises:
            RunError: something is missing, damaged, not finite, or not what the base drew.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            drawn = cls(folder, report, load_file(folder / "features.safetensors"), base)
            drawn._check()
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise RunError(f"{folder} is damaged: its results cannot be read ({error}).") from error
        return drawn

    @property
    def prompts(self) -> int:
        """Number of test prompts."""
        return len((self.base or self).report["prompts"])

    @property
    def seeds(self) -> list[int]:
        """Evaluation seeds, in the order of the comparison."""
        return list((self.base or self).report["seeds"])

    @cached_property
    def samples_features(self) -> Float[np.ndarray, "P S D"]:
        """Features of the test pictures, by prompt and seed."""
        return self._by_prompt("samples")

    def _by_prompt(self, name: str) -> Float[np.ndarray, "P S D"]:
        return self.features[name][self._order].reshape(self.prompts, len(self.seeds), -1)

    @cached_property
    def scores(self) -> dict[str, Float[np.ndarray, "P S"]] | None:
        """Subject and prompt fidelity of each test picture; None without a judge."""
        references = (self.base or self).features
        if not self.features:
            return None
        return {
            "subject_fidelity": pictures.subject_fidelity(
                self._by_prompt("subjects"), references["pictures"]
            ),
            "prompt_fidelity": pictures.prompt_fidelity(
                self.samples_features, references["prompts"]
            ),
        }

    def samples(self, name: str) -> list[dict[str, Any]]:
        """Rows of `comparison.json` for the run `name`'s test pictures, by prompt, then seed."""
        rows = [self.report["samples"][place] for place in self._order]
        for number, row in enumerate(rows):
            at = divmod(number, len(self.seeds))
            rows[number] = sample_row(row, name) | {
                "subject": self.scores and float(self.scores["subject_fidelity"][at]),
                "prompt_score": self.scores and float(self.scores["prompt_fidelity"][at]),
            }
        return rows

    def history(self, name: str) -> list[dict[str, Any]]:
        """Rows of the pictures drawn on the way, by step."""
        return [{"step": row["step"]} | sample_row(row, name) for row in self.on_the_way]

    @cached_property
    def on_the_way(self) -> list[dict[str, Any]]:
        """Pictures of earlier steps; the report names those of the last attempt only."""
        told = self.report.get("history")
        if told is None:
            return []
        known = {(row["step"], row["prompt"], row["seed"]) for row in told}
        stopped = self.report.get("stopped_at")
        last = self.report["settings"]["steps"] if stopped is None else stopped
        before = [
            row
            for row in Underway.read(self.folder).rows
            if row["step"] < last and (row["step"], row["prompt"], row["seed"]) not in known
        ]
        return sorted([*before, *told], key=lambda row: int(row["step"]))

    @cached_property
    def _order(self) -> list[int]:
        """Where each (prompt, seed) stands among the report's samples."""
        place = {(row["prompt"], row["seed"]): i for i, row in enumerate(self.report["samples"])}
        wanted = [(prompt, seed) for prompt in range(self.prompts) for seed in self.seeds]
        if sorted(place) != sorted(wanted):
            raise ValueError(f"{len(place)} of {len(wanted)} test pictures")
        return [place[at] for at in wanted]

    def _check(self) -> None:
        _ = self._order
        for row in (*self.report["samples"], *self.on_the_way):
            if not below_samples(row["path"]):
                raise ValueError(f"{row['path']} is not below samples")
            if not (self.folder / row["path"]).is_file():
                raise ValueError(f"{row['path']} is missing")
        references = (self.base or self).features
        if self.features and not references:
            raise ValueError("features without those of the base")
        for name, rows in self.features.items():
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
            if not np.allclose(lengths, 1.0, atol=UNIT):  # nor is a NaN
                raise ValueError(f"features of {name} are not finite and of length 1")
        for name in ("samples", "subjects") if self.features else ():
            if len(self.features[name]) != len(self.report["samples"]):
                raise ValueError(f"features of {name} and pictures differ in number")


def anchors(base: Drawn | None) -> dict[str, pictures.Anchor]:
    """The raw values shown as 0 and 100, for each metric."""
    nothing = pictures.Anchor(None, None, False)
    if base is None or base.scores is None:
        return dict.fromkeys(METRICS, nothing)
    subject, prompt = (base.scores[name] for name in METRICS[:2])
    texts = base.features["prompts"]
    spread = _spread(base)
    return {
        "subject_fidelity": pictures.subject_anchor(
            base.features["pictures"], subject, interval(subject)
        ),
        "prompt_fidelity": pictures.prompt_anchor(base.samples_features, texts, interval(prompt)),
        "diversity": pictures.diversity_anchor(spread),
        "drift": pictures.drift_anchor(),
    }


def base_metrics(base: Drawn | None) -> dict[str, Any]:
    """Metrics of the untouched backbone, whose drift is nothing by definition."""
    return run_metrics(base, base)


def run_metrics(drawn: Drawn | None, base: Drawn | None) -> dict[str, Any]:
    """Each metric as {"mean", "low", "high"}, or None where it was not measured."""
    if drawn is None or base is None or drawn.scores is None:
        return dict.fromkeys(METRICS)
    moved = pictures.change_from_base(drawn.features["class"], base.features["class"])
    found = {name: interval(drawn.scores[name]) for name in METRICS[:2]}
    spread = _spread(drawn)
    return {
        **{name: value._asdict() for name, value in found.items()},
        "diversity": spread and spread._asdict(),
        "drift": Interval(0.0, 0.0, 0.0)._asdict()
        if drawn is base
        else interval(moved[None])._asdict(),
    }


def nothing_learned(drawn: Drawn | None, base: Drawn | None) -> bool | None:
    """Whether the run's test pictures equal the base's; None where that was not measured."""
    if drawn is None or base is None or not drawn.features:
        return None
    moved = pictures.change_from_base(drawn.samples_features, base.samples_features)
    return bool(moved.mean() < SAME_PICTURE)


def way(rows: Sequence[Mapping[str, Any]], base: Drawn | None) -> list[dict[str, Any]]:
    """From the base to the result: mean fidelities at each step with pictures.

    Pictures on the way often cover some seeds only, so each step is the base's mean plus the mean
    difference to the base over the pictures that both have.

    Args:
        rows: a run's history.
    """
    if base is None or base.scores is None:
        return []
    steps: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        steps.setdefault(int(row["step"]), []).append(row)
    last = {"subject_fidelity": "subject", "prompt_fidelity": "prompt_score"}
    found = []
    for step, drawn in sorted(steps.items()):
        at = [(row["prompt"], base.seeds.index(row["seed"])) for row in drawn]
        if any(row[key] is None for row in drawn for key in last.values()):
            continue
        entry: dict[str, Any] = {"step": step}
        for metric, key in last.items():
            gaps = [row[key] - base.scores[metric][i] for row, i in zip(drawn, at, strict=True)]
            entry[metric] = float(base.scores[metric].mean() + np.mean(gaps))
        found.append(entry)
    return found


def _spread(drawn: Drawn) -> Interval | None:
    by_prompt = pictures.diversity(drawn.samples_features)
    return None if by_prompt is None else interval(by_prompt[:, None])
