"""For which --out folder each comparison is: home/out-folders/<comparison>."""

from pathlib import Path

from sparse_peft import files

OUT_NOTES = "out-folders"


def remember(home: Path, out: Path, comparison: str) -> None:
    """Write it down."""
    folder = home / OUT_NOTES
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / comparison, str(out))


def out_folder(home: Path, comparison: str) -> str | None:
    """The folder; None for a comparison that the page made."""
    note = home / OUT_NOTES / comparison
    return note.read_text(encoding="utf-8") if note.is_file() else None
