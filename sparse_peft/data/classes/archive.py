"""A ZIP of class folders as a tree: nothing is unpacked, a file is read when it is its turn."""

import functools
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import FileIO
from operator import itemgetter
from pathlib import Path

from sparse_peft.data.classes.tree import DEEPEST, MOST_BYTES, MOST_FILES, Tree, passed_over
from sparse_peft.data.findings import Finding, UnreadableError, listed, shown
from sparse_peft.data.opening.folder import in_words
from sparse_peft.errors import DataError

MOST_BYTES_TOGETHER = 4 * 2**30  # unpacked
MOST_DIRECTORY_BYTES = 16 * 2**20  # the list of names: 300 bytes a file
PIECE_BYTES = 2**20
MOST_NAMED = 5
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1  # bit of `flag_bits`
# What zipfile raises at damaged lists and contents.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, ValueError, OverflowError),
)


@contextmanager
def archive_tree(path: Path) -> Iterator[Tree]:
    """What a ZIP holds; its files can be read inside the `with`.

    A single folder at the top is passed through, as most programs pack one. No name becomes a path
    on the disk, and all the same a name that leads out of the archive refuses it: no honest
    program writes one.

    Raises:
        DataError: it cannot be opened, is encrypted, or holds too much.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_Bounded(path))
            archive = stack.enter_context(zipfile.ZipFile(file))
        except DAMAGED as error:
            raise DataError(f"{path} is damaged or no ZIP; pack the folder again.") from error
        members = [(_parts(info, path), info) for info in archive.infolist()]
        _check_sizes([info for _, info in members], path)
        yield _through(_tree(archive, members, path))


class _Bounded(FileIO):
    """A file that is read in pieces only: zipfile takes in the whole list of names at once, however
    long the archive says it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MOST_DIRECTORY_BYTES:
            raise DataError(_too_many(self.name))
        return super().read(size)


def _too_many(path: object) -> str:
    return f"There are more than {MOST_FILES:,} files in {path}; pack fewer."


def _parts(info: zipfile.ZipInfo, path: Path) -> tuple[str, ...]:
    name = info.filename.replace("\\", "/")  # some programs on Windows write those
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
        raise DataError(
            f"{path} holds {shown(info.filename)!r}, which leads out of the archive; pack the"
            " folder again."
        )
    return parts


def _check_sizes(infos: Sequence[zipfile.ZipInfo], path: Path) -> None:
    if len(infos) > MOST_FILES:
        raise DataError(_too_many(path))
    if any(info.flag_bits & ENCRYPTED for info in infos):
        raise DataError(f"{path} is encrypted; pack the folder again without a password.")
    together = sum(info.file_size for info in infos)
    if together > MOST_BYTES_TOGETHER:
        raise DataError(
            f"{path} unpacks to {in_words(together)}, at most {in_words(MOST_BYTES_TOGETHER)} are"
            " allowed; pack fewer or smaller pictures."
        )


def _tree(
    archive: zipfile.ZipFile,
    members: Iterable[tuple[tuple[str, ...], zipfile.ZipInfo]],
    path: Path,
) -> Tree:
    tree = Tree(str(path))
    links = []
    for parts, info in sorted(members, key=itemgetter(0)):
        if not parts or len(parts) > DEEPEST + 2 or any(map(passed_over, parts[:-1])):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            links.append(shown("/".join(parts)))
        elif info.is_dir() or not passed_over(parts[-1]):
            folders = parts if info.is_dir() else parts[:-1]
            inside = functools.reduce(Tree.folder, folders, tree)
            if not info.is_dir():
                inside.files[parts[-1]] = functools.partial(_content, archive, info)
    if links:
        text = f"Links in {path} are left out ({listed(links, MOST_NAMED)})."
        tree.findings.append(Finding(None, "warn", text))
    return tree


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One file; zipfile gives at most the bytes that the archive's list says it has."""
    if info.file_size > MOST_BYTES:
        raise UnreadableError(
            f"it has {in_words(info.file_size)}, at most {in_words(MOST_BYTES)} are allowed; make"
            " it smaller"
        )
    if info.compress_type not in METHODS:
        raise UnreadableError("it is packed in a way that is not opened here; pack it as usual")
    try:
        with archive.open(info) as file:
            return b"".join(iter(lambda: file.read(PIECE_BYTES), b""))
    except DAMAGED as error:
        raise UnreadableError("it is damaged in the archive; pack it again") from error


def _through(tree: Tree) -> Tree:
    """The class folders, where the archive holds a single folder that they are in."""
    while len(tree.folders) == 1 and not tree.files:
        (inside,) = tree.folders.values()
        if inside.files or not inside.folders:
            break
        inside.findings.extend(tree.findings)
        tree = inside
    return tree
