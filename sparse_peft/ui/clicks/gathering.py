"""What clicks on the first step do: pictures, captions, the noun, the token, the backbone."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from sparse_peft import tables
from sparse_peft.backbones.source import Source
from sparse_peft.data.findings import stop_on
from sparse_peft.data.opening.clean import LEAST_SIDE
from sparse_peft.data.pictures import open_pictures
from sparse_peft.data.subject import DATA_FILE, Subject
from sparse_peft.data.words import names
from sparse_peft.data.words.captions import read_captions
from sparse_peft.data.words.prompts import PROMPTS
from sparse_peft.data.words.text import check_line
from sparse_peft.errors import SpecError, UserError
from sparse_peft.ui.clicks.actions import Action, Answer
from sparse_peft.ui.clicks.asks import Arrived, ChosenBackbone, Nothing, Reuse
from sparse_peft.ui.comparisons import mine
from sparse_peft.ui.desk import offers, row
from sparse_peft.ui.desk.desk import Desk
from sparse_peft.ui.desk.draft import Draft

EXAMPLES = Path(__file__).parents[3] / "examples" / "subjects"
EXAMPLE_NAMES = ("cat", "owl", "bug", "cup")
MOST_KEPT_SHOWN = 12

PANELS = ("pictures", "methods")  # the second says "your dog" too, and is sized by the backbone


def add(desk: Desk, paths: Sequence[Path]) -> Draft:
    """Put uploaded files into the row, after those that are there; see `row.add`."""
    return row.add(desk, paths)


def taken_words(draft: Draft, source: Source | None) -> frozenset[str]:
    """Words that a token must not be: those of the noun, the prompts and the backbone's nouns."""
    known = source.known_nouns if source else ()
    return names.words_of([draft.noun, *(draft.prompts or PROMPTS), *known])


def reading(desk: Desk) -> tuple[str, str]:
    """The token, and what the backbone reads with the first picture that has a caption.

    The sentence is empty until there are a noun and a picture.
    """
    draft = desk.draft
    captions = [picture.caption for picture in draft.pictures if picture.caption]
    token = draft.token
    if token is None:
        taken = taken_words(draft, offers.source_at_hand(draft.backbone))
        token = names.free_token(taken | names.words_of(captions))
    if not (draft.noun and draft.pictures):
        return token, ""
    prompts = Subject(draft.noun, token, draft.pictures).training_prompts()
    first = next((n for n, picture in enumerate(draft.pictures) if picture.caption), 0)
    return token, prompts[first]


@dataclass(frozen=True)
class Kept:
    """A data set that was used before."""

    id: str
    subject: Subject


def kept(desk: Desk) -> list[Kept]:
    """This person's data sets, the latest first."""
    files = (desk.home / "data" / desk.owner).glob(f"*/{DATA_FILE}")
    latest = sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)
    return list(islice(_readable(latest), MOST_KEPT_SHOWN))


def count_line(draft: Draft) -> str:
    """How many pictures can be used, as the line above the row says it."""
    ready, offered = len(draft.pictures), max(draft.offered, len(draft.pictures))
    if not offered:
        return ""
    line = f"{ready} of {offered} {'picture is' if offered == 1 else 'pictures are'} ready."
    if ready and (draft.findings or any(row.checks(draft).values())):
        line += " Next works; better pictures help more than more steps."
    return line


@dataclass(frozen=True)
class Next:
    """On to the methods."""

    noun: str | None = None
    """what stands in the field: it may have been left by this very click"""


@dataclass(frozen=True)
class OnePicture:
    """A picture in the row, or a file that was left out."""

    picture: str


@dataclass(frozen=True)
class Move:
    """Where a picture's square is put, in pixels of the picture."""

    picture: str
    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Caption:
    """What a picture shows besides its subject."""

    picture: str
    text: str


@dataclass(frozen=True)
class Noun:
    """What the subject is."""

    noun: str


@dataclass(frozen=True)
class Token:
    """The word that will mean this subject; empty: one is chosen."""

    token: str


@dataclass(frozen=True)
class Example:
    """One of the subjects that come with the studio."""

    name: Literal["cat", "owl", "bug", "cup"]


def _look(desk: Desk, asked: Arrived) -> Answer:
    return Answer(show=PANELS, said=count_line(desk.draft) if asked.last else "")


def _remove(desk: Desk, asked: OnePicture) -> Answer:
    draft = row.remove(desk, asked.picture)
    return Answer(show=PANELS, said=f"{asked.picture} removed. {count_line(draft)}".strip())


def _move(desk: Desk, asked: Move) -> Answer:
    def moved() -> Answer:
        if asked.side < LEAST_SIDE:
            raise SpecError(f"The square has {asked.side} px; use {LEAST_SIDE} or more.")
        right, bottom = asked.left + asked.side, asked.top + asked.side
        row.set_picture(desk, asked.picture, crop=(asked.left, asked.top, right, bottom))
        return Answer(show=("pictures",))

    return _at_picture(asked.picture, moved)


def _caption(desk: Desk, asked: Caption) -> Answer:
    def written() -> Answer:
        text = asked.text.strip()
        check_line(text, "The caption")
        row.set_picture(desk, asked.picture, caption=text or None)
        return Answer(show=("pictures",))

    return _at_picture(asked.picture, written)


def _at_picture(name: str, does: Callable[[], Answer]) -> Answer:
    """The answer, or a mistake's sentence under the picture that it belongs to."""
    try:
        return does()
    except UserError as error:
        return Answer(show=("pictures",), errors={f"picture:{name}": str(error)})


def _noun(desk: Desk, asked: Noun) -> Answer:
    noun = asked.noun.strip()
    if noun:
        stop_on(names.check_noun(noun, None))
    desk.change(noun=noun)
    return Answer(show=PANELS)


def _token(desk: Desk, asked: Token) -> Answer:
    token = asked.token.strip()
    if token:
        stop_on(names.check_token(token, taken_words(desk.draft, None)))
    desk.change(token=token or None)
    return Answer(show=("pictures",))


def _example(desk: Desk, asked: Example) -> Answer:
    folder = EXAMPLES / asked.name
    with tempfile.TemporaryDirectory() as scratch:
        opened = open_pictures(folder, Path(scratch))
        captions = read_captions(folder / "captions.txt", [path.name for path in opened.files])
        pictures = [replace(each, caption=captions.get(each.name)) for each in opened.pictures]
        draft = row.put(desk, Path(scratch), pictures, asked.name, None)
    return Answer(show=PANELS, said=count_line(draft))


def _reuse(desk: Desk, asked: Reuse) -> Answer:
    folder = mine.data(desk, asked.dataset)
    subject = Subject.load(folder)
    draft = row.put(desk, folder, subject.pictures, subject.noun, subject.token)
    return Answer(show=PANELS, said=count_line(draft))


def _clear(desk: Desk, _asked: Nothing) -> Answer:
    row.put(desk, desk.pictures, (), "", None)
    return Answer(show=PANELS, said="All pictures removed.")


def _backbone(desk: Desk, asked: ChosenBackbone) -> Answer:
    desk.change(backbone=offers.checked(asked.backbone.strip(), desk.studio.place))
    return Answer(show=PANELS)


def _next(desk: Desk, asked: Next) -> Answer:
    if asked.noun is not None:
        _noun(desk, Noun(asked.noun))
    draft, errors = desk.draft, {}
    if not draft.pictures:
        errors["pictures"] = "Add at least one picture first; 3 to 6 are best."
    if not draft.noun:
        errors["noun"] = "Say what it is first, in a word such as dog."
    if errors:
        return Answer(show=("pictures",), errors=errors)
    return Answer(show=PANELS, tab="methods")


def _readable(paths: Collection[Path]) -> Iterator[Kept]:
    for path in paths:
        try:
            table = tables.read_json(path)
            fields = {key: table[key] for key in ("noun", "token", "pictures")}
            yield Kept(path.parent.name, tables.build(Subject, fields, str(path)))
        except (UserError, KeyError):  # of an older version, or damaged: cannot be used again
            continue


ACTIONS: Mapping[str, Action] = {
    "look_pictures": Action(Arrived, _look, "pictures", ("pictures",)),
    "remove": Action(OnePicture, _remove, "pictures", ("pictures",)),
    "move": Action(Move, _move, "pictures", ("pictures",)),
    "caption": Action(Caption, _caption, "pictures", ("pictures",)),
    "noun": Action(Noun, _noun, "noun", ("pictures",)),
    "token": Action(Token, _token, "token", ("pictures",)),
    "example": Action(Example, _example, "pictures", ("pictures",)),
    "reuse": Action(Reuse, _reuse, "pictures", ("pictures",)),
    "clear": Action(Nothing, _clear, "pictures", ("pictures",)),
    "backbone": Action(ChosenBackbone, _backbone, "backbone", ("pictures",)),
    "next": Action(Next, _next, "noun", ("pictures",)),
}
