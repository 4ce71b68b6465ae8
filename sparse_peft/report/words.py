"""What a comparison says in plain words: numbers with units, prompts, verdicts, caveats."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sparse_peft.metrics.intervals import Interval
from sparse_peft.metrics.pictures import Anchor, scaled
from sparse_peft.report.shortened import shortened

Comparison = Mapping[str, Any]  # the content of comparison.json

ALMOST_BILLION = 999.5e6  # from here on three digits of millions would be a thousand of them
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class MetricWords(NamedTuple):
    """A metric as a person reads it."""

    title: str
    gloss: str
    zero: str
    hundred: str | None


METRICS = {
    "subject_fidelity": MetricWords(
        "Subject fidelity",
        "looks like your pictures",
        "the base's pictures",
        "your own pictures to each other (each left out once)",
    ),
    "prompt_fidelity": MetricWords(
        "Prompt fidelity",
        "does what the prompt says",
        "the base's pictures judged by the other prompts",
        "the base's pictures",
    ),
    "diversity": MetricWords(
        "Diversity",
        "how different the pictures of one prompt are",
        "all the same",
        "the base's pictures",
    ),
    "drift": MetricWords(
        "Drift", "how much an ordinary {noun} changed (lower is better)", "not at all", None
    ),
}
COPIES = "Closer than your own pictures are to each other. Look for copies."
UNSCALED = "The judge cannot tell your subject from others well enough to scale this."
BELOW = "Below 0: the judge sees your subject rather than what the prompt says."
OF_LITTLE_USE = (
    "the judge sees your subject rather than what the prompt says, and is of little use to tell "
    "which follows the prompt better."
)
LEARNING_RATES = (
    "Presets' learning rates were chosen on other subjects; a better one may exist for any method."
)


def count(number: int) -> str:
    """A whole number in groups of three."""
    return f"{number:,}"


def about(number: int) -> str:
    """A large number as a person says it: 1.3 million."""
    if number < 1e6:
        return count(number)
    unit, name = (1e6, "million") if number < ALMOST_BILLION else (1e9, "billion")
    return f"{number / unit:.3g} {name}"


def duration(seconds: float | int) -> str:
    """55 s, 1 min 50 s or 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count_bytes: int) -> str:
    """140 kB, 5.0 MB or 10.3 GB."""
    kilobytes = max(1, round(count_bytes / 1e3))
    if kilobytes < 1000:
        return f"{kilobytes} kB"
    megabytes = f"{count_bytes / 1e6:.1f}"
    return f"{megabytes} MB" if float(megabytes) < 1000 else f"{count_bytes / 1e9:.1f} GB"


def counted(number: int, one: str, more: str = "") -> str:
    """A number of things: 1 prompt, 8 prompts.

    Args:
        more: their name in the plural; with an s if left out.
    """
    return f"{count(number)} {one if number == 1 else more or f'{one}s'}"


def small(number: int) -> str:
    """A number up to ten in letters."""
    return NUMBER_WORDS[number] if number < len(NUMBER_WORDS) else str(number)


def shown_prompt(comparison: Comparison, prompt: str) -> str:
    """The prompt as a person says it: your dog, where the backbone reads `sks dog`."""
    subject = r"\s+".join(map(re.escape, (comparison["token"], *comparison["noun"].split())))
    return re.sub(
        rf"\b(?:(?:an?|the|my)\s+)?{subject}\b", f"your {comparison['noun']}", prompt, flags=re.I
    )


def names_subject(comparison: Comparison, prompt: str) -> bool:
    """Whether the prompt holds the token."""
    return re.search(rf"\b{re.escape(comparison['token'])}\b", prompt, re.I) is not None


def measured(metric: Mapping[str, Any] | None) -> Interval | None:
    """A metric of comparison.json as an interval."""
    return Interval(metric["mean"], metric["low"], metric["high"]) if metric else None


def on_scale(value: Interval, anchor: Anchor) -> Interval:
    """The interval from 0 to 100 of its anchors; as it is where these cannot carry it."""
    if not anchor.usable:
        return value
    low, high = (None if end is None else scaled(end, anchor) for end in value[1:])
    return Interval(scaled(value.mean, anchor), low, high)


def number(value: float, digits: int) -> str:
    """A decimal number with a real minus, never a negative nought."""
    text = f"{abs(value):.{digits}f}"
    return f"\N{MINUS SIGN}{text}" if value < 0 and float(text) else text


def range_words(value: Interval, digits: int) -> str:
    """55 to 71; nothing where there is no interval."""
    if value.low is None or value.high is None or value.low == value.high:
        return ""
    return f"{number(value.low, digits)} to {number(value.high, digits)}"


def footprint(sizes: Mapping[str, Any]) -> str:
    """Active, stored and support in one sentence."""
    tilde = "about " if sizes["estimated"] else ""
    changes = (
        "changes every weight of the layers it adapts"
        if sizes["support"] is None
        else f"changes {tilde}{about(sizes['support'])} weights"
    )
    return (
        f"Trains {count(sizes['active'])} numbers at a time, keeps {tilde}{about(sizes['stored'])} "
        f"in its file, and {changes}."
    )


def support(sizes: Mapping[str, Any]) -> str:
    """How many weights end up different, in a word or two."""
    if sizes["support"] is None:
        return "all"
    return ("~" if sizes["estimated"] else "") + count(sizes["support"])


def state(run: Mapping[str, Any]) -> str | None:
    """What became of a run that did not simply finish."""
    if run["state"] == "finished":
        return f"Check: {run['error']}" if run["error"] else None
    if run["state"] == "failed":
        return f"Stopped: {run['error'] or 'its process ended with an error.'}"
    steps = run["settings"]["steps"]
    if run["state"] == "cancelled" and run["stopped_at"] is not None:
        return f"Stopped at step {run['stopped_at']} of {steps}. Kept."
    if run["state"] == "interrupted":
        return f"Interrupted{_place(run)}: {run['error'] or 'its process ended.'}"
    if run["state"] == "cancelled" and run.get("step") is not None:  # its process had ended before
        return f"Stopped{_place(run)} of {steps} before it was finished."
    return {"queued": "Waiting.", "running": "Still training."}.get(
        run["state"], "Stopped. Discarded."
    )


def _place(run: Mapping[str, Any]) -> str:
    step = run.get("step")
    return "" if step is None else f" at step {step}"


def labels(comparison: Comparison) -> dict[str, str]:
    """The name of each column: method -> label, the base included."""
    return {"base": "Base"} | {run["method"]: run["label"] for run in comparison["runs"]}


def verdicts(comparison: Comparison, metric: str) -> list[tuple[str, str]]:
    """A sentence and its word for each method against the reference column."""
    names = labels(comparison)
    return [
        _verdict(pair, names, comparison["noun"])
        for pair in comparison["pairs"]
        if pair["metric"] == metric and pair["b"] == comparison["reference"]
    ]


def _verdict(pair: Mapping[str, Any], names: Mapping[str, str], noun: str) -> tuple[str, str]:
    """The better column first: a sentence never says that something loses."""
    a, b, wins = names[pair["a"]], names[pair["b"]], pair["wins"]
    losses = pair["of"] - wins - pair["ties"]
    if losses > wins:
        a, b, wins = b, a, losses
    subject = pair["metric"] == "subject_fidelity"
    if pair["word"] == "Cannot tell":
        start = "" if subject else "Following the prompt, "
        return f"{start}{a} and {b}: {wins} of {pair['of']}.", "Cannot tell them apart."
    does = (
        f"looks more like your {noun} than {b}"
        if subject
        else f"follows the prompt better than {b}"
    )
    return f"{a} {does} in {wins} of {pair['of']}.", f"{pair['word']}."


def methods_below(comparison: Comparison) -> list[str]:
    """Labels of the methods whose prompt fidelity is below 0 in any of their trainings."""
    anchor = Anchor(**comparison["anchors"]["prompt_fidelity"])
    if not anchor.usable:
        return []
    told = {
        run["method"]: run["label"]
        for run in comparison["runs"]
        if (value := measured(run["metrics"]["prompt_fidelity"]))
        and scaled(value.mean, anchor) < 0.0
    }
    return list(told.values())


def below(comparison: Comparison) -> str:
    """What a prompt fidelity below 0 says of the judge; "" where there is none."""
    found = methods_below(comparison)
    if not found:
        return ""
    of = len(_trainings(comparison["runs"]))
    some = "all" if len(found) == of else f"{small(len(found))} of"
    who = found[0] if len(found) == 1 else f"{some} {small(of)} methods"
    return f"Prompt fidelity is below 0 for {who}: {OF_LITTLE_USE}"


def caveats(comparison: Comparison) -> list[str]:
    """What stands under the verdicts, always."""
    trainings = _trainings(comparison["runs"])
    times = min(trainings.values(), default=0)
    lines = []
    if times == 1:
        more = 2 * sum(run["seconds"] or 0.0 for run in comparison["runs"])
        price = f" (about {duration(60 * max(1, round(more / 60)))} more)" if more else ""
        lines.append(
            "From one training run each. A second run would move them too. "
            f"Train each 3 times{price}."
        )
    elif times:
        lines.append(f"From {small(times)} training runs each.")
    lines += shortened([(run["label"], run) for run in comparison["runs"] if run["samples"]])
    methods = len(trainings) - (comparison["reference"] in trainings)
    if methods > 1:
        lines.append(
            f"A stricter rule is used because {small(len(trainings))} methods are compared."
        )
    for run in comparison["runs"]:
        if run["samples"] and run["stopped_at"] is not None:
            lines.append(
                f"{run['label']} was stopped at step {run['stopped_at']} of "
                f"{run['settings']['steps']} and is compared as it stood then."
            )
    if told := below(comparison):
        lines.append(told)
    if comparison["pairs"]:
        lines.append("The words weigh how large the differences are, not only how many there are.")
    lines.append(LEARNING_RATES)
    return lines


def _trainings(runs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in runs:
        if run["samples"]:
            found[run["method"]] = found.get(run["method"], 0) + 1
    return found
