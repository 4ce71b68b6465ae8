"""Draw the example classes: `python scripts/draw_classes.py examples/classes`.

Ten animals that the built-in CLIP was never shown, in train/ and test/, one folder a class.
`--set tuning` draws ten others that it was not shown either: on them the presets were chosen.
"""

import argparse
from pathlib import Path

import numpy as np
from pretraining import objects, scenes

SIDE = 64
SEED = 78
COUNTS = {"train": 16, "test": 24}  # pictures of each class
SETS = {"examples": objects.HELD_OUT[:10], "tuning": objects.TUNING}


def draw(folder: Path, character: str) -> None:
    """All pictures of one class, below train/ and test/."""
    noun = objects.noun(character)
    rng = np.random.default_rng((SEED, *noun.encode()))
    for part, count in COUNTS.items():
        place = folder / part / noun.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = scenes.draw(scenes.random_scene(rng, character), rng, SIDE)
            picture.save(place / f"{number:02}.png", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", choices=list(SETS), default="examples")
    options = parser.parse_args()
    for character in SETS[options.set]:
        draw(options.folder, character)


if __name__ == "__main__":
    main()
