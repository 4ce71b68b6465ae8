"""What the answers say of many rows: gathered beside one of them, and all pairs as a table."""

from collections.abc import Mapping
from typing import Any

from sparse_peft.report import words as plain
from sparse_peft.report.classes import words
from sparse_peft.report.classes.lines import Comparison, lines
from sparse_peft.report.groups import Lead, Pair, Side, Told, gathered, pair_table

TITLE = "Names more pictures right"
CAPTION = "How many points of accuracy the row is ahead of the column."


def gathered_beside(comparison: Comparison, reference: str) -> str:
    """Every row beside one; each pair of rows is said once; "" where nothing is said."""
    rows = {row["method"]: row for row in comparison["runs"]}
    sides = _sides(comparison)
    told = [
        Told(sides[pair["a"]], _accuracy(rows[pair["a"]]), pair["word"], _ahead(pair))
        for pair in words.pairs_beside(comparison, reference)
    ]
    if not told:
        return ""
    row, level = rows[reference], _accuracy(rows[reference])
    first = words.named(row, first=True)
    lead = Lead(
        f"More pictures right than {words.named(row)} ({level}):",
        f"{first} ({level}) names more pictures right than",
        f"{first} cannot be told apart from",
    )
    return gathered(told, lead)


def furthest(comparison: Comparison) -> str | None:
    """The row that is trained and names most pictures right."""
    measured = {
        line.method: value.mean
        for line in lines(comparison)
        if line.trained and (value := line.metric("accuracy"))
    }
    return max(measured, key=lambda name: measured[name]) if measured else None


def pair_tables(comparison: Comparison) -> str:
    """All pairs of rows, folded away; "" without any."""
    pairs = [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]
    if not pairs:
        return ""
    sides = _sides(comparison)
    count = len({frozenset((pair["a"], pair["b"])) for pair in pairs})
    table = pair_table(TITLE, list(sides.values()), pairs, lambda p: _cell(p, sides), CAPTION)
    return (
        f'<details class="twin all-pairs"><summary>All {plain.count(count)} pairs of rows</summary>'
        f"{table}</details>"
    )


def _sides(comparison: Comparison) -> dict[str, Side]:
    return {line.method: Side(line.method, line.label, line.look) for line in lines(comparison)}


def _ahead(pair: Pair) -> bool:
    return bool(pair["difference"]["mean"] >= 0)


def _accuracy(row: Mapping[str, Any]) -> str:
    value = row["metrics"]["accuracy"]
    return words.percent(value["mean"]) if value else "not measured"


def _cell(pair: Pair, sides: Mapping[str, Side]) -> tuple[str, str]:
    gap = pair["difference"]
    ends = ""
    if gap["low"] is not None and gap["high"] is not None:
        low, high = (plain.number(100 * gap[end], 1) for end in ("low", "high"))
        ends = f" ({low} to {high})"
    points = plain.number(100 * gap["mean"], 1)
    sentence = (
        f"{sides[pair['a']].label} against {sides[pair['b']].label}: {points} points{ends}. "
        f"{pair['word']}."
    )
    return plain.number(100 * gap["mean"], 0), sentence
