"""What the pairs of pictures say of many methods: gathered beside two of them, and as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from sparse_peft.report import words
from sparse_peft.report.columns import Column, columns
from sparse_peft.report.groups import Lead, Pair, Side, Told, gathered, pair_table
from sparse_peft.report.subject.tables import PICTURE_METRICS

TITLES = {"subject_fidelity": "Looks like your pictures", "prompt_fidelity": "Follows the prompt"}
CAPTION = "In how many of {of} pairs the row is ahead of the column."

Comparison = Mapping[str, Any]


def gathered_beside(comparison: Comparison, reference: str) -> str:
    """Both fidelities of every method beside one column; "" where nothing is said of it."""
    found = []
    for metric in PICTURE_METRICS:
        told = _told(comparison, metric, reference)
        if told:
            lead = _lead(metric, words.labels(comparison)[reference], comparison["noun"])
            found.append(f"<h4>{TITLES[metric]}</h4>{gathered(told, lead)}")
    return "".join(found)


def furthest(comparison: Comparison) -> Column | None:
    """The method whose pictures look most like the person's, by their average."""
    measured = [
        (average, column)
        for column in columns(comparison)[1:]
        if (average := column.average("subject_fidelity")) is not None
    ]
    return max(measured, key=lambda pair: pair[0])[1] if measured else None


def pair_tables(comparison: Comparison) -> str:
    """All pairs of columns, folded away; "" without any."""
    sides = [Side(one.method, one.label, one.look) for one in columns(comparison)]
    names, tables = words.labels(comparison), []

    def cell(pair: Pair) -> tuple[str, str]:
        return _cell(pair, names)

    for metric in PICTURE_METRICS:
        pairs = [pair for pair in comparison["pairs"] if pair["metric"] == metric]
        if pairs:
            caption = CAPTION.format(of=pairs[0]["of"])
            tables.append(pair_table(TITLES[metric], sides, pairs, cell, caption))
    if not tables:
        return ""
    methods = len(sides) - 1
    count = methods * (methods - 1) // 2
    return (
        f'<details class="twin all-pairs"><summary>All {words.count(count)} pairs of methods'
        f"</summary>{''.join(tables)}</details>"
    )


def _told(comparison: Comparison, metric: str, reference: str) -> Sequence[Told]:
    sides = {one.method: Side(one.method, one.label, one.look) for one in columns(comparison)}
    found = []
    for pair in comparison["pairs"]:
        if pair["metric"] == metric and pair["b"] == reference:
            wins, losses = pair["wins"], _losses(pair)
            said = f"{max(wins, losses)} of {pair['of']}"
            found.append(Told(sides[pair["a"]], said, pair["word"], wins >= losses))
    return found


def _losses(pair: Pair) -> int:
    return int(pair["of"] - pair["wins"] - pair["ties"])


def _cell(pair: Pair, names: Mapping[str, str]) -> tuple[str, str]:
    sentence = (
        f"{names[pair['a']]} against {names[pair['b']]}: {pair['wins']} of {pair['of']}. "
        f"{pair['word']}."
    )
    return str(pair["wins"]), sentence


def _lead(metric: str, reference: str, noun: str) -> Lead:
    alike = f"{reference} cannot be told apart from"
    if metric == "subject_fidelity":
        return Lead(
            f"More like your {noun} than {reference}:",
            f"{reference} looks more like your {noun} than",
            alike,
        )
    return Lead(
        f"Follow the prompt better than {reference}:",
        f"{reference} follows the prompt better than",
        alike,
    )
