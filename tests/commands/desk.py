"""A desk with all that a comparison needs, for tests of `compare` before any work begins."""

import argparse
from pathlib import Path

from sparse_peft.commands import parser
from sparse_peft.planning import ComparisonPlan, read_plan
from sparse_peft.runs.store import Store
from tests.planned import write_preset
from tests.tasks.local_job import draw_subject


class Desk:
    """A folder with everything that a comparison needs, and a home where nothing is started."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.out = root, root / "home", root / "out"
        draw_subject(root / "pictures")
        write_preset(root / "tiny.toml")
        (root / "prompts.txt").write_text("a {subject} in the snow\n")

    def options(self, **changes: object) -> list[str]:
        given = {
            "home": "home", "pictures": "pictures", "noun": "cat", "preset": "tiny.toml",
            "prompts": "prompts.txt", "out": "out",
        } | {name.replace("_", "-"): value for name, value in changes.items()}  # fmt: skip
        return ["compare", *(f"--{name}={value}" for name, value in given.items())]

    def left(self) -> list[str]:
        """What stands below the home, but for the empty database and its locks."""
        found = (path.relative_to(self.home).as_posix() for path in self.home.rglob("*"))
        return [name for name in found if not name.startswith(("studio.db", "locks"))]

    def plans(self) -> list[ComparisonPlan]:
        with Store(self.home) as store:
            return [read_plan(store.comparison(name)) for name in store.comparisons()]

    def parsed(self, **changes: object) -> argparse.Namespace:
        """What the command itself is handed."""
        options = parser.build(self.home).parse_args(self.options(**changes))
        options.home = self.home
        return options
