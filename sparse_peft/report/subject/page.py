"""The parts of a comparison's offline page, put where its template wants them."""

from collections.abc import Mapping
from html import escape
from typing import Any

from sparse_peft.report.columns import BASE, columns, many
from sparse_peft.report.groups import Side
from sparse_peft.report.legend import legend
from sparse_peft.report.pictures import EXACT_SIDE, Read, Sources, all_embedded, embedded
from sparse_peft.report.subject import orders, sections
from sparse_peft.report.subject.matrix import controls, drawn_data, matrix, matrix_data
from sparse_peft.report.subject.tables import costs_table, metrics_table
from sparse_peft.report.tables import EACH_TRAINS, folded

Comparison = Mapping[str, Any]


def fields(comparison: Comparison, read: Read) -> Mapping[str, Any]:
    """What the template names.

    Args:
        read: gives the picture at a path of the comparison.
    """
    sources = all_embedded(read)
    return {
        "title": escape(sections.title(comparison)),
        "subtitle": escape(sections.subtitle(comparison)),
        "subject": sections.subject(comparison, embedded(read, side=EXACT_SIDE)),
        "verdict": sections.verdict(comparison),
        "legend": _legend(comparison),
        "controls": controls(comparison),
        "matrix": matrix(comparison, sources.test),
        "lines": _lines(comparison),
        "scatter": sections.scatter(comparison),
        "metrics": metrics_table(comparison),
        "costs": costs_table(comparison),
        "curves": sections.curves(comparison),
        "setup": sections.setup(comparison),
        "commands": _commands(comparison),
        "data": _data(comparison, sources),
    }


def _data(comparison: Comparison, sources: Sources) -> dict[str, Any]:
    """What the scripts read."""
    tested, drawn = matrix_data(comparison, sources), drawn_data(comparison, sources)
    return tested | {
        "pictures": tested["pictures"] | drawn["pictures"],
        "own": drawn["own"],
        "orders": orders.orders(columns(comparison)),
    }


def _legend(comparison: Comparison) -> str:
    """The line of all methods, where they are many."""
    if not many(comparison):
        return ""
    sides = [Side(one.method, one.label, one.look) for one in columns(comparison)]
    return legend(sides, BASE, orders.TITLES)


def _lines(comparison: Comparison) -> str:
    """What each method trains, keeps and changes; of many, on demand."""
    lines = sections.lines(comparison)
    return folded(EACH_TRAINS, lines) if many(comparison) else lines


def _commands(comparison: Comparison) -> str:
    """The command lines; of many methods the single ones on demand."""
    commands = sections.commands(comparison)
    return folded("All command lines", commands) if many(comparison) else commands
