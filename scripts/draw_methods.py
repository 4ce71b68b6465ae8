"""Draw each method's picture: what it changes of a 12 x 12 toy weight, by its own code.

    python scripts/draw_methods.py

Every method gets the budget of LoRA rank 1 (or its smallest) and the same few steps towards the
same target. The darker a square, the more that weight changed. Pictures are SVG in the current
text colour, so they fit light and dark pages; they lie in sparse_peft/ui/panels/methods/maps.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it knows its own folder only

from sparse_peft.methods import all_methods
from sparse_peft.methods.method import Method, MethodClass, Plan

FOLDER = Path(__file__).parents[1] / "sparse_peft" / "ui" / "panels" / "methods" / "maps"
SIDE = 12  # rows and columns of the toy weight
SPREAD = 0.3  # of its values
TARGET = "toy/0"
PLAN = Plan(steps=15, seed=4)  # SO draws twice: its second set is seen over the first
LR = 0.02
SHADES = (0.15, 0.35, 0.6, 1.0)  # opacity of a quarter, a half ... of the largest change
NOTHING = 0.02  # share of the largest change below which a square stays blank


def toy(kind: MethodClass) -> tuple[Method, dict[str, nn.Module]]:
    """The method at its size for the toy, and the toy."""
    shapes = {TARGET: (SIDE, SIDE)}
    span = kind().budget_range(shapes)
    method = kind() if span is None else kind().fit(max(2 * SIDE, span[0]), shapes)
    layer = nn.Linear(SIDE, SIDE, bias=False)
    # Not zero: OFT turns what is there.
    nn.init.normal_(layer.weight, std=SPREAD, generator=torch.Generator().manual_seed(3))
    return method, {"toy": nn.Sequential(layer)}


def change(kind: MethodClass) -> Tensor:
    """What a few steps of the method add to the toy weight."""
    method, parts = toy(kind)
    attachment = method.attach(parts, [TARGET], PLAN)
    optimizer = attachment.optimizer(LR)
    inputs = torch.eye(SIDE)
    wanted = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    for step in range(PLAN.steps):
        attachment.before_forward(step)
        loss = (parts["toy"](inputs) - wanted).square().mean()
        penalty = attachment.penalty()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        attachment.after_step(step)
        optimizer.zero_grad()
    return attachment.change(TARGET).abs()


def svg(moved: Tensor) -> str:
    """Squares in shades of the text's colour."""
    relative = moved / moved.max()
    shade = (relative * len(SHADES)).long().clamp(max=len(SHADES) - 1)
    paths = []
    for number, opacity in enumerate(SHADES):
        inside = (shade == number) & (relative > NOTHING)
        squares = "".join(f"M{x} {y}h1v1h-1z" for y, x in inside.nonzero().tolist())
        if squares:
            paths.append(f'<path fill-opacity="{opacity}" d="{squares}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" '
        f'shape-rendering="crispEdges" fill="currentColor">{"".join(paths)}</svg>\n'
    )


def main() -> None:
    """Write a picture for each registered method."""
    FOLDER.mkdir(exist_ok=True)
    for name, kind in all_methods().items():
        (FOLDER / f"{name}.svg").write_text(svg(change(kind)), encoding="utf-8")
        print(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
