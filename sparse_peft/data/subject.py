"""A subject: a few pictures of one thing, what it is called, and how it is saved."""

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_peft import tables
from sparse_peft.data.findings import Finding, stop_on
from sparse_peft.data.opening.folder import listing
from sparse_peft.data.pictures import WANTED_SIDE, Picture, open_pictures
from sparse_peft.data.words import names
from sparse_peft.data.words.captions import read_captions, read_sidecars
from sparse_peft.errors import DataError, RunError, SpecError
from sparse_peft.files import sha256, verify_folder, write_folder, write_json

FORMAT = 1
DATA_FILE = "data.json"


@dataclass(frozen=True)
class Subject:
    """Checked pictures of one subject, captions optional."""

    noun: str
    """what the subject is: a word that the backbone knows"""
    token: str
    """the word that will mean this one"""
    pictures: tuple[Picture, ...]

    def __post_init__(self) -> None:
        stop_on(names.check_noun(self.noun, None) + names.check_token(self.token, ()))
        if not self.pictures:
            raise SpecError("a subject needs at least one picture")

    @classmethod
    def from_folder(
        cls,
        source: Path | Sequence[Path],
        noun: str,
        into: Path,
        *,
        token: str | None = None,
        captions: Path | None = None,
        known_nouns: Collection[str] | None = None,
        prompts: Sequence[str] = (),
        wanted_side: int = WANTED_SIDE,
    ) -> tuple["Subject", tuple[Finding, ...]]:
        """A subject out of a person's folder or files, and what there is to say about it.

        Args:
            into: an existing folder for the clean pictures, from which `save` takes them.
            token: None chooses one.
            captions: a captions file; None reads text files beside the pictures.
            known_nouns: what the backbone was trained on; None: it does not say.
            prompts: what will be drawn; a token among their words gets a warning.
            wanted_side: of a picture, in pixels; smaller ones get a warning.

        Raises:
            DataError: a sentence for each thing that has to be mended first.
        """
        taken = names.words_of([noun, *prompts, *(known_nouns or ())])
        findings = names.check_noun(noun, known_nouns)
        if token is not None:
            findings += names.check_token(token, taken)
        stop_on(findings)
        opened = open_pictures(source, into, wanted_side)
        stop_on(opened.findings)
        if captions is None:
            written = read_sidecars(opened.files)
        else:
            written = read_captions(captions, [path.name for path in listing(source).files])
        pictures = tuple(
            dataclasses.replace(picture, caption=written.get(path.name))
            for picture, path in zip(opened.pictures, opened.files, strict=True)
        )
        chosen = token or names.free_token(taken | names.words_of(written.values()))
        return cls(noun, chosen, pictures), (*findings, *opened.findings)

    @property
    def id(self) -> str:
        """A name that follows from the content: the same subject has the same one."""
        content = json.dumps(tables.table(self), sort_keys=True)
        slug = re.sub(r"[^a-z0-9]+", "-", self.noun.lower()).strip("-") or "subject"
        return f"{slug}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def training_prompts(self) -> tuple[str, ...]:
        """What the backbone reads with each picture.

        A caption that names the token is the whole prompt; any other follows "a sks cat".
        """
        article = "an" if self.token[0] in "aeiou" else "a"
        named = f"{article} {self.token} {self.noun}"
        return tuple(self._prompt(named, picture.caption) for picture in self.pictures)

    def _prompt(self, named: str, caption: str | None) -> str:
        if caption is None:
            return named
        return caption if self.token in names.words_of([caption]) else f"{named} {caption}"

    def save(self, decoded: Path, data: Path) -> Path:
        """Write the subject below a data folder, whole or not at all, and give its own folder.

        Args:
            decoded: where `from_folder` put the clean pictures.
        """
        final = data / self.id
        if not _intact(final):
            write_folder(final, lambda folder: self._fill(folder, decoded))
        return final

    def _fill(self, folder: Path, decoded: Path) -> None:
        for picture in self.pictures:
            shutil.copyfile(decoded / picture.file, folder / picture.file)
        write_json(folder / DATA_FILE, {"format": FORMAT, "id": self.id} | tables.table(self))

    @classmethod
    def load(cls, folder: Path) -> "Subject":
        """The subject in a folder, each picture's sha256 compared.

        Raises:
            SpecError: data.json is not what `save` writes.
            DataError: a picture is missing or damaged.
        """
        path = folder / DATA_FILE
        table = tables.read_json(path)
        if table.pop("format", None) != FORMAT:
            raise DataError(
                f"{path} is of another format; expected {FORMAT}. Open the pictures again."
            )
        table.pop("id", None)
        subject = tables.build(cls, table, str(path))
        for picture in subject.pictures:
            file = folder / picture.file
            if not file.is_file() or sha256(file) != picture.sha256:
                raise DataError(f"{file} is missing or damaged. Open the pictures again.")
        return subject


def _intact(folder: Path) -> bool:
    try:
        verify_folder(folder)
    except RunError:
        return False
    return True
