"""A person's classes, opened safely: a folder of class folders, a ZIP of one, or a table."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sparse_peft.data.classes.archive import archive_tree
from sparse_peft.data.classes.checks import Seen, check, left_out
from sparse_peft.data.classes.layout import offer_of
from sparse_peft.data.classes.offer import Entry, Offer, named_classes
from sparse_peft.data.classes.table import offer_of_table
from sparse_peft.data.classes.tree import Tree, folder_tree
from sparse_peft.data.findings import Finding, UnreadableError, stop_on
from sparse_peft.data.labelled import Labelled, LabelledPicture, png_name
from sparse_peft.data.opening.clean import LABELLED
from sparse_peft.data.opening.folder import in_words
from sparse_peft.data.opening.sandbox import Sandbox
from sparse_peft.errors import DataError
from sparse_peft.files import disk_words

WANTED_SIDE = 224  # px
MOST_BYTES_TOGETHER = 4 * 2**30
TABLES = (".csv", ".tsv")


def open_classes(
    source: Path, into: Path, *, test: Path | None = None, wanted_side: int = WANTED_SIDE
) -> tuple[Labelled, tuple[Finding, ...]]:
    """A person's classes, and what there is to say about them.

    Each class is a folder named after it; `train`, `test` and `val` folders may stand above them. A
    ZIP holds the same. A CSV or TSV file names pictures beside it and their labels.

    Args:
        source: a folder, a ZIP, a CSV or a TSV.
        into: an existing folder for the clean PNGs, from which `Labelled.save` takes them.
        test: class folders, or a ZIP of them, to test on; None: `source` says it, or what is not
            drawn for training is tested on.
        wanted_side: of what the backbone sees, in pixels.

    Raises:
        DataError: a sentence for each thing that has to be mended first.
    """
    with ExitStack() as stack:
        offer = stack.enter_context(_offered(source, test))
        classes, labels = named_classes(offer)
        gathered = _Gathered(into, labels)
        with Sandbox(sizes=LABELLED) as sandbox:
            for entry in offer.entries:
                gathered.add(entry, sandbox)
    findings = (
        *left_out(gathered.unreadable, "could not be read"),
        *left_out(gathered.repeated, "are the same as another of their class"),
        *check(classes, gathered.seen, wanted_side),
        *offer.findings,
    )
    stop_on(findings)
    return Labelled(classes, tuple(gathered.pictures), title=source.stem), findings


@contextmanager
def _offered(source: Path, test: Path | None) -> Iterator[Offer]:
    with ExitStack() as stack:
        if source.suffix.lower() in TABLES and not os.path.isdir(source):
            if test is not None:
                raise DataError(
                    f"{source} is a table, and {test} is given for the test; name its pictures in"
                    " the table, with train or test in a third column 'split'."
                )
            yield offer_of_table(source)
            return
        tree = stack.enter_context(_tree(source))
        yield offer_of(tree, None if test is None else stack.enter_context(_tree(test)))


@contextmanager
def _tree(source: Path) -> Iterator[Tree]:
    if not os.path.isfile(source):  # Path.is_file raises for a name too long
        yield folder_tree(source)
    elif source.suffix.lower() == ".zip":
        with archive_tree(source) as tree:
            yield tree
    else:
        raise DataError(
            f"{source} is a file; give a folder of class folders, a ZIP of it, or a CSV of file and"
            " label."
        )


class _Gathered:
    """The pictures so far."""

    def __init__(self, into: Path, labels: dict[str, int]) -> None:
        self.pictures: list[LabelledPicture] = []
        self.seen: list[Seen] = []
        self.unreadable: list[tuple[str, str]] = []
        self.repeated: list[tuple[str, str]] = []
        self._into = into
        self._labels = labels
        self._names: dict[tuple[str, int, str], str] = {}
        self._bytes = 0

    def add(self, entry: Entry, sandbox: Sandbox) -> None:
        """Decode a picture and take it in, unless it cannot be read or is there already."""
        try:
            data = entry.read()
            self._count(len(data))
            decoded = sandbox.decode(data)
        except UnreadableError as error:
            self.unreadable.append((entry.name, f"could not be read, left out: {error}."))
            return
        sha256 = hashlib.sha256(decoded.png).hexdigest()
        label = self._labels[entry.folder]
        known = self._names.get((sha256, label, entry.split))
        if known is not None:
            self.repeated.append((entry.name, f"the same as {known}, left out"))
            return
        self._names[sha256, label, entry.split] = entry.name
        file = png_name(sha256)
        with disk_words(self._into):
            (self._into / file).write_bytes(decoded.png)  # `Labelled.save` makes it last
        self.pictures.append(LabelledPicture(file, label, entry.split, entry.name, sha256))
        self.seen.append(
            Seen(
                name=entry.name,
                label=label,
                split=entry.split,
                sha256=sha256,
                side=min(decoded.width, decoded.height),
                animated=decoded.animated,
                difference_hash=decoded.difference_hash,
                thumbnail=decoded.thumbnail,
            )
        )

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_BYTES_TOGETHER:
            raise DataError(
                f"The pictures have more than {in_words(MOST_BYTES_TOGETHER)} together; take fewer"
                " or smaller ones."
            )
