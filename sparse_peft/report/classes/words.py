"""What a few-shot comparison says in plain words: percentages, verdicts, states, caveats."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report import words
from sparse_peft.report.columns import MANY
from sparse_peft.tasks.fewshot.recipe import LINEAR_PROBE, ZERO_SHOT

Comparison = Mapping[str, Any]

FIRST_CLASSES = 20  # named in a text
SMALL_GAP = 0.02  # between two accuracies, below which they are told with a decimal
HALF_A_POINT = 0.005
REFERENCES = {ZERO_SHOT: "zero-shot", LINEAR_PROBE: "the linear probe"}  # in a sentence
BESIDE = {ZERO_SHOT: "zero-shot CLIP", LINEAR_PROBE: "the linear probe"}
LORA = "lora"  # the method that others are also compared with, where it is there


class MetricWords(NamedTuple):
    """A metric as a person reads it."""

    title: str
    gloss: str


METRICS = {
    "accuracy": MetricWords("Accuracy", "test pictures recognised"),
    "macro_f1": MetricWords("Macro-F1", "every class counts alike; false finds count too"),
    "calibration_error": MetricWords(
        "Calibration error", "how far the said confidence is from the truth (lower is better)"
    ),
    "new_accuracy": MetricWords("New classes", "accuracy on classes it was not shown"),
    "harmonic_mean": MetricWords("Harmonic mean", "of both accuracies"),
}


def percent(value: float, digits: int = 1) -> str:
    """84.4 %."""
    return f"{words.number(100 * value, digits)} %"


def percents(value: Interval, digits: int = 1) -> str:
    """79.9 to 88.1; nothing where there is no interval."""
    low, high = (None if end is None else 100 * end for end in value[1:])
    return words.range_words(Interval(100 * value.mean, low, high), digits)


def listed(names: Sequence[str], most: int = FIRST_CLASSES) -> str:
    """Names with commas; of very many the first."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {words.count(rest)} more" if rest > 0 else "")


def title(comparison: Comparison) -> str:
    """What a comparison is called until someone gives it a name."""
    backbone, shots = comparison["backbone"], comparison["shots"]
    name = comparison["dataset"]["title"] or "Classes"
    many = "all pictures" if shots is None else words.counted(shots, "shot")
    return f"{name[:1].upper()}{name[1:]}, {many}, {backbone['title'] or backbone['id']}"


def subtitle(comparison: Comparison) -> str:
    """What is compared, in a sentence."""
    reference = comparison["reference"]
    rows = [row for row in comparison["runs"] if row["method"] != reference]
    names = [row["label"] for row in rows]
    if len(comparison["runs"]) >= MANY:
        frozen = [row["label"] for row in rows if row["method"] in REFERENCES]
        names = [f"{len(rows) - len(frozen)} methods", *frozen]
    shots, seeds = comparison["shots"], len(comparison["seeds"])
    level = BESIDE[reference]
    beside = f"{', '.join(names)} beside {level}" if names else f"{level[:1].upper()}{level[1:]}"
    learned = (
        "all pictures of the training split"
        if shots is None
        else f"{words.counted(shots, 'picture')} of each"
    )
    budget = comparison["budget"]
    note = comparison["backbone"].get("note")
    return (
        f"{beside}: {words.count(len(comparison['classes']))} classes, "
        f"{learned} to learn from, {tested(comparison)}, "
        f"{words.small(seeds)} draw{'s' if seeds > 1 else ''} of the shots"
        + (f", {words.count(budget)} trainable values" if budget else "")
        + "."
        + (f" {note}" if note else "")
    )


def tested(comparison: Comparison) -> str:
    """417 test pictures; of draws that differ in number the range."""
    counts = comparison["test_pictures"].values()
    if not counts:
        return "test pictures still to be drawn"
    least, most = min(counts), max(counts)
    return (
        f"{words.count(least)} to {words.count(most)} test pictures"
        if most > least
        else words.counted(least, "test picture")
    )


def beside(comparison: Comparison) -> list[str]:
    """Rows that verdicts compare with: zero-shot, the linear probe, LoRA or the first method."""
    trained = [
        row["method"] for row in comparison["runs"] if any(run["run"] for run in row["runs"])
    ]
    other = LORA if LORA in trained else next(iter(trained), None)
    probe = [row["method"] for row in comparison["runs"] if row["method"] == LINEAR_PROBE]
    found = [comparison["reference"], *(probe if trained else []), *([other] if other else [])]
    return list(dict.fromkeys(found))


def verdicts(comparison: Comparison, reference: str) -> list[tuple[str, str]]:
    """A sentence and its word for each row against one; each pair of rows once."""
    rows = {row["method"]: row for row in comparison["runs"]}
    return [_verdict(pair, rows) for pair in pairs_beside(comparison, reference)]


def pairs_beside(comparison: Comparison, reference: str) -> list[Mapping[str, Any]]:
    """The pairs with a reference, less those that were told beside an earlier one."""
    before = beside(comparison)
    earlier = before[: before.index(reference)] if reference in before else before
    return [
        pair for pair in comparison["pairs"] if pair["b"] == reference and pair["a"] not in earlier
    ]


def _verdict(pair: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """The better row first: a sentence never says that something loses."""
    a, b, gap = rows[pair["a"]], rows[pair["b"]], Interval(**pair["difference"])
    if gap.mean < 0:
        low, high = (None if end is None else -end for end in (gap.high, gap.low))
        a, b, gap = b, a, Interval(-gap.mean, low, high)
    digits = 0 if gap.mean >= SMALL_GAP else 1
    many, few = (percent(accuracy, digits) for accuracy in _accuracies(a, b))
    if pair["word"] == "Cannot tell":
        return (
            f"{named(a, first=True)} and {named(b)}: {many} and {few}.",
            "Cannot tell them apart.",
        )
    more = f"{many} against {few}{_more(gap, digits)}"
    start = f"{named(a, first=True)} names more pictures right than {named(b)}"
    return f"{start}: {more}.", f"{pair['word']}."


def _accuracies(*rows: Mapping[str, Any]) -> list[float]:
    """Of each row, over the draws that all of them were measured on, as in a pair."""
    told = [
        {run["seed"]: run["accuracy"] for run in row["runs"] if run["accuracy"] is not None}
        for row in rows
    ]
    seeds = set.intersection(*(set(by_seed) for by_seed in told))
    return [fmean(by_seed[seed] for seed in seeds) for by_seed in told]


def named(row: Mapping[str, Any], *, first: bool = False) -> str:
    """What a row is called in a sentence; first: where it begins."""
    name = REFERENCES.get(row["method"])
    if name is None:
        return str(row["label"])
    return name[:1].upper() + name[1:] if first else name


def _more(gap: Interval, digits: int) -> str:
    """How much more that may be; nothing where the interval is as wide as the scale."""
    if gap.low is None or gap.high is None or gap.high - gap.low >= 1.0:
        return ""
    if abs(gap.low) < HALF_A_POINT:  # never "0 to 30 points more"
        digits = 1
    low, high = (words.number(100 * abs(end), digits) for end in (gap.low, gap.high))
    if gap.low < 0:
        return f" ({low} points fewer to {high} more)"
    return f" ({low} to {high} points more)"


def of_reference(comparison: Comparison) -> str:
    """What the row is that all others are compared with, in a sentence."""
    if comparison["reference"] == ZERO_SHOT:
        return (
            "Zero-shot is CLIP as it came, with the names of the classes alone: a method is worth "
            "its training where it stands clearly above that line."
        )
    return (
        "The linear probe reads the backbone as it came: a method is worth its training where it "
        "stands clearly above that line. The head that every method trains is not in its budget."
    )


def frozen_words(comparison: Comparison) -> str:
    """That references cost no training, in a sentence."""
    if comparison["reference"] == ZERO_SHOT:
        return "Zero-shot and the linear probe train nothing inside CLIP."
    return "The linear probe trains nothing inside the backbone."


def state(run: Mapping[str, Any]) -> str | None:
    """What became of a training, or of the run of a reference, that did not simply finish."""
    if run["state"] in ("queued", "running") and run["run"] is None:
        return {"queued": "Waiting.", "running": "Being measured."}[run["state"]]
    if run["run"] is None and run["state"] in ("cancelled", "interrupted"):
        return f"Stopped before it was measured: {run['error'] or 'its process ended.'}"
    return words.state(run)


def row_state(row: Mapping[str, Any]) -> str | None:
    """What is still to come of a row, or what went wrong, in a few words."""
    ended = sum(run["accuracy"] is not None for run in row["runs"])
    of = len(row["runs"])
    if row["state"] == "finished" and ended == of:
        return None
    if ended:
        return f"{ended} of {of} draws"
    at_work = [run for run in row["runs"] if run["state"] == "running"]
    if at_work and at_work[0]["run"] is None:
        return "being measured"
    if at_work:
        step = max(run["step"] or 0 for run in at_work)
        return f"step {step}" if step else "starting"
    waits = any(run["state"] == "queued" for run in row["runs"])
    return "waiting" if waits else "nothing measured"
