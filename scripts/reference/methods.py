"""The page of all methods, from the registry."""

import inspect
import re
from pathlib import Path

from reference.markdown import inline
from sparse_peft.errors import SpecError
from sparse_peft.methods import all_methods
from sparse_peft.methods.fields import Setting, settings
from sparse_peft.methods.method import Method, MethodClass, Plan

ROOT = Path(__file__).parents[2]
SHAPES = {"model/layer": (768, 768)}
BUDGET = 4 * (768 + 768)  # LoRA of rank 4
PLAN = Plan(steps=1000, seed=0)
HEAD = """\
# Methods

Written by `{command}` from the registry. Each method is sized for one weight of 768 x 768
({entries:,} entries) at a budget of {budget:,} trainable values (LoRA of rank 4); what does not
depend on the budget is as large as it is. *Trained*: values held trainable at a time. *Stored*:
numbers in the saved file, indices included. *Changed*: entries of the weight that the update can
change. About (~) where that depends on chance, here in {steps:,} steps.

| method | size | trained | stored | changed | paper | file |
| --- | --- | --- | --- | --- | --- | --- |
"""


def methods_page(command: str) -> str:
    """The text of docs/methods.md."""
    [(out, into)] = SHAPES.values()
    head = HEAD.format(command=command, entries=out * into, budget=BUDGET, steps=PLAN.steps)
    rows = [_row(method) for method in all_methods().values()]
    texts = [_text(method) for method in all_methods().values()]
    return head + "\n".join(rows) + "\n\n" + "\n".join(texts)


def _row(kind: MethodClass) -> str:
    sized = _sized(kind)
    print_ = sized.footprint(SHAPES, PLAN)
    about = "~" if print_.estimated else ""
    changed = "all" if print_.support is None else f"{about}{print_.support:,}"
    paper, file = re.findall(r"arXiv:[\d.]+\d", kind.source)[0], _file(kind)
    return (
        f"| [{kind.label}](#{kind.label.lower()}) | {sized.knob(SHAPES)} | {print_.active:,} "
        f"| {about}{print_.stored:,} | {changed} "
        f"| {inline(paper)} | [{file.name}](../{file.as_posix()}) |"
    )


def _sized(kind: MethodClass) -> Method:
    """The largest within the budget, or the smallest there is."""
    limits = kind().budget_range(SHAPES)
    if limits is None:
        return kind()
    try:
        return kind().fit(BUDGET, SHAPES)
    except SpecError:
        return kind().fit(limits[0], SHAPES)


def _file(kind: MethodClass) -> Path:
    return Path(inspect.getfile(kind)).relative_to(ROOT)


def _text(kind: MethodClass) -> str:
    start = "" if kind.starts_at_base else " Attaching it changes the model before any training."
    lines = [
        f"## {kind.label}\n",
        f"{kind.title} (`{kind.name}`). {inline(kind.sentence)}{start}\n",
    ]
    found = settings(kind)
    if found:
        lines += ["| setting | type | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [_setting(setting) for setting in found]
        lines.append("")
    lines.append(f"Source: {inline(kind.source)}\n")
    return "\n".join(lines)


def _setting(setting: Setting) -> str:
    default = "" if setting.default is None else f"`{setting.default}`"
    words = [f"`{setting.name}`", f"`{setting.type}`", default, inline(setting.help)]
    return "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |"
