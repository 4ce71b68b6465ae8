"""What the first step shows: its words, everything at its place, nothing that was not escaped."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sparse_peft.backbones import source as sources
from sparse_peft.data.findings import Finding
from sparse_peft.data.pictures import Picture
from sparse_peft.data.subject import Subject
from sparse_peft.files import write_json
from sparse_peft.tables import table
from sparse_peft.ui.desk import offers
from sparse_peft.ui.desk.desk import Desk, Place, Studio
from sparse_peft.ui.panels.pictures import board as pictures

PANELS = Path(pictures.__file__).parents[1]
LONGEST_SCRIPT = 60
EVIL = '"><img src=x onerror=alert(1)>.jpg'
VOID = {"img", "input", "path"}


class Page(HTMLParser):
    """The elements of a page, each with its attributes and the text inside it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[tuple[str, int]] = []
        self.feed(html)
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        self.texts.append("")
        if tag not in VOID:
            self._open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, place in self._open:
            self.texts[place] += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        return [has for name, has, _ in self.found(tag, attributes) if name]

    def text(self, tag: str, **attributes: str) -> str:
        (found,) = self.found(tag, attributes)
        return " ".join(found[2].split())

    def found(self, tag: str, wanted: dict[str, str]) -> list[tuple[str, dict[str, str], str]]:
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in wanted.items()}
        return [
            (name, has, text)
            for (name, has), text in zip(self.elements, self.texts, strict=True)
            if name == tag and all(value in has.get(key, "") for key, value in wanted.items())
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Studio(tmp_path), "o0123456789abcdef")


def picture(name: str = "a.jpg", digit: str = "a", **fields: object) -> Picture:
    made = Picture(name, digit * 64, 640, 480, (80, 0, 560, 480))
    return replace(made, **fields)  # type: ignore[arg-type]


def page(desk: Desk, **errors: str) -> Page:
    return Page(pictures.render(desk, errors)["html"])


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("computer", "They stay on this computer."),
        ("server", "They stay on this server; only you see them, until you delete them."),
        ("space", "They stay on this server; only you see them, until it restarts."),
    ],
)
def test_the_empty_step_invites_and_says_where_pictures_stay(
    desk: Desk, place: Place, words: str
) -> None:
    desk = replace(desk, studio=replace(desk.studio, place=place))
    text = page(desk).text("section", class_="pictures-door")
    assert "Show the backbone one subject." in text
    assert "Drop 3 to 6 pictures here, paste them, or use the camera." in text
    assert words in text
    assert 'Camera needs https or localhost. On a phone, "Choose" offers the camera.' in text


def test_the_empty_step_has_no_row_and_four_examples(desk: Desk) -> None:
    shown = page(desk)
    assert shown.all("li", class_="pictures-tile") == []
    assert [each["data-name"] for each in shown.all("button", data_do="example")] == [
        "cat", "owl", "bug", "cup",
    ]  # fmt: skip
    assert shown.all("a", href="/?comparison=example")
    assert "image/*" in shown.all("input", type="file")[0]["accept"]
    assert ".heic" in shown.all("input", type="file")[0]["accept"]


def test_a_tile_shows_the_square_in_its_picture(desk: Desk) -> None:
    desk.change(pictures=(picture(crop=(160, 120, 480, 440)),), offered=1)
    shown = page(desk)
    (frame,) = shown.all("div", class_="pictures-frame")
    assert frame["data-square"] == "160,120,320"
    assert "--left:25.0000%;--top:25.0000%;--side:50.0000%" in frame["style"]
    (square,) = shown.all("div", class_="pictures-square")
    assert square["aria-label"] == "Square of picture 1, a.jpg"
    assert square["aria-valuetext"] == "160 from the left, 120 from the top, 320 pixels a side"
    assert int(square["aria-valuenow"]) <= int(square["aria-valuemax"])
    assert square["tabindex"] == "0"
    (image,) = shown.all("img", src="/studio/draft/aaaaaaaaaaaaaaaa.png")
    assert image["alt"] == "Picture 1, a.jpg"


def test_checks_are_words_under_their_picture(desk: Desk) -> None:
    findings = (
        Finding("a.jpg", "info", "animated: first frame used"),
        Finding("b.jpg", "warn", "blurry"),
        Finding("b.jpg", "warn", "nearly the same as 1"),
        Finding("letter.jpg", "warn", "could not be read, left out: it is text."),
    )
    both = (picture("a.jpg"), picture("b.jpg", "b"))
    desk.change(pictures=both, findings=findings, offered=3)
    shown = page(desk)
    assert shown.text("div", id="pictures-checks-1") == "animated: first frame used"
    assert shown.text("div", id="pictures-checks-2") == "Check: blurry; nearly the same as 1"
    left_out = shown.text("ul", class_="pictures-left-out")
    assert "letter.jpg could not be read, left out: it is text." in left_out
    assert "2 of 3 pictures are ready. Next works; better pictures help more" in shown.text(
        "p", class_="pictures-ready"
    )


def test_a_picture_without_a_finding_is_ok_and_a_single_one_is_few(desk: Desk) -> None:
    desk.change(pictures=(picture(),), offered=1)
    shown = page(desk)
    assert shown.text("div", id="pictures-checks-1") == "ok"
    assert shown.text("p", class_="pictures-ready") == "1 of 1 picture is ready."
    words = (
        "One picture works, but every method will copy its background."
        " Two or three more help a lot."
    )
    assert words in shown.text("section", class_="pictures-row")
    desk.change(pictures=(picture(), picture("b.jpg", "b")), offered=2)
    assert words not in page(desk).text("section", class_="pictures-row")


def test_the_backbone_reads_the_sentence_with_the_token_as_a_chip(desk: Desk) -> None:
    assert "then the sentence" in page(desk).text("p", class_="pictures-reads")
    caption = "on grass <i>"
    desk.change(pictures=(picture(caption=caption),), offered=1, noun="dog")
    shown = page(desk)
    assert shown.text("p", class_="pictures-reads") == "The backbone reads: a sks dog on grass <i>"
    assert shown.text("span", class_="chip") == "sks"


def test_a_token_that_is_a_word_gets_a_doubt(desk: Desk) -> None:
    desk.change(pictures=(picture(),), noun="dog", token="cat")
    doubt = page(desk).text("div", class_="pictures-token-said")
    assert doubt.startswith("Check: The token 'cat' is a word that the backbone may know already")


def test_a_noun_that_the_backbone_has_not_seen(desk: Desk) -> None:
    desk.change(noun="otter")
    assert page(desk).text("div", id="pictures-noun-said") == (
        'Check: the built-in backbone has not seen "otter". It will learn slower. Known: cat, dog,'
        " rabbit, frog, owl, penguin, robot, octopus, fish, butterfly, bug, duck ..."
    )
    desk.change(noun="Dogg")
    assert 'Did you mean "dog"?' in page(desk).text("div", id="pictures-noun-said")
    desk.change(noun="Dog")
    assert page(desk).text("div", id="pictures-noun-said") == ""
    desk.change(noun="otter", backbone=offers.OFFERS[1].id)
    assert page(desk).text("div", id="pictures-noun-said") == ""


def test_suggestions_are_what_the_backbone_knows(desk: Desk) -> None:
    known = sources.resolve("builtin")
    values = {each["value"] for each in page(desk).all("option")}
    assert values >= {*known.known_nouns, *known.known_places}


def test_each_backbone_says_its_size_and_licence(desk: Desk) -> None:
    words = {}
    for offer in offers.OFFERS:
        desk.change(backbone=offer.id)
        words[offer.title] = page(desk).text("div", id="pictures-backbone-said")
    assert "Apache-2.0" in words["Built-in"]
    assert "CreativeML OpenRAIL-M" in words["SD 1.5"]
    assert "CreativeML OpenRAIL++-M" in words["SDXL"]
    desk.change(backbone="me/<model>")
    shown = page(desk)
    assert shown.all("input", id="pictures-other")[0]["value"] == "me/<model>"
    assert "own page" in shown.text("div", id="pictures-backbone-said")


def test_the_built_in_note_is_there_for_the_built_in_backbone_only(desk: Desk) -> None:
    note = page(desk).text("p", class_="pictures-info")
    assert note.removeprefix("i") == (
        "The built-in backbone draws small emoji-like scenes. From photographs it learns colours"
        " and rough shape, not a face. It shows in minutes how methods differ. For photo quality"
        " choose SD 1.5 or SDXL (a GPU and a download of 4.3 or 13.9 GB)."
    )
    desk.change(backbone=offers.OFFERS[2].id)
    assert "hidden" in page(desk).all("p", class_="pictures-info")[0]


def test_an_error_is_at_its_field_which_says_so(desk: Desk) -> None:
    desk.change(pictures=(picture(),), noun="dog")
    for field, control in [
        ("noun", "pictures-noun"), ("token", "pictures-token"), ("backbone", "pictures-other"),
    ]:  # fmt: skip
        shown = page(desk, **{field: "Mend <this>."})
        (at,) = shown.all("input", id=control)
        assert at["aria-invalid"] == "true"
        said = [text for _, has, text in shown.found("p", {"role": "alert"}) if "hidden" not in has]
        assert said == ["Mend <this>."]
    shown = page(desk, **{"picture:a.jpg": "Shorten it."})
    (caption,) = shown.all("input", class_="pictures-caption")
    assert caption["aria-invalid"] == "true"
    assert shown.text("div", id=caption["aria-describedby"]) == "Shorten it."
    shown = page(desk, pictures="Add a picture.")
    assert shown.text("p", class_="pictures-refused") == "Add a picture."
    assert "hidden" not in shown.all("p", class_="pictures-refused")[0]
    assert "hidden" in page(desk).all("p", class_="pictures-refused")[0]


def test_what_a_person_or_a_file_supplies_stays_text(desk: Desk) -> None:
    findings = (
        Finding(EVIL, "warn", "<script>alert(2)</script>"),
        Finding("</ul><script>", "warn", "<script>alert(3)</script>"),
    )
    both = (picture(EVIL, caption=EVIL), picture("b.jpg", "b"))
    desk.change(pictures=both, findings=findings, noun=EVIL, backbone=EVIL)
    desk.change(noun="dog", token="sks")
    shown = page(desk, noun=EVIL, token=EVIL, backbone=EVIL, pictures=EVIL)
    assert shown.all("script") == []
    assert not any("onerror" in has for _, has in shown.elements)
    assert shown.all("li", class_="pictures-tile")[0]["data-picture"] == EVIL
    assert shown.all("input", class_="pictures-caption")[0]["value"] == EVIL


def test_data_sets_used_before_are_offered(desk: Desk) -> None:
    folder = desk.home / "data" / desk.owner / "dog-0123456789ab"
    folder.mkdir(parents=True)
    subject = Subject("dog", "sks", tuple(picture(f"{n}.jpg", str(n)) for n in range(5)))
    write_json(folder / "data.json", {"format": 1, "id": folder.name} | table(subject))
    shown = page(desk)
    (button,) = shown.all("button", data_do="reuse")
    assert button["data-name"] == folder.name
    assert "dog 5 pictures" in shown.text("div", class_="pictures-before")
    (first, *_) = shown.all("img", src="/studio/data/")
    assert first["src"].startswith(
        f"/studio/data/{folder.name}/0000000000000000.png?square=80,0,560,480"
    )


def test_ids_are_unique_and_descriptions_are_there(desk: Desk) -> None:
    desk.change(pictures=(picture(), picture("b.jpg", "b")), noun="otter", token="cat")
    shown = page(desk)
    ids = [has["id"] for _, has in shown.elements if "id" in has]
    assert len(ids) == len(set(ids))
    for _, has in shown.elements:
        for key in ("aria-describedby", "aria-labelledby", "list", "for"):
            assert set(has.get(key, "").split()) <= set(ids)


def test_each_answer_differs_so_that_a_browser_hears_of_it(desk: Desk) -> None:
    first, second = pictures.render(desk, {}), pictures.render(desk, {})
    assert first["html"] == second["html"]
    assert first != second


def test_scripts_are_short_and_name_the_event() -> None:
    texts = {name: (PANELS / f"{name}.js").read_text(encoding="utf-8") for name in pictures.SCRIPTS}
    assert all(text.count("\n") < LONGEST_SCRIPT for text in texts.values())
    assert '"act"' in "".join(texts.values())
    assert not any(re.search(r"https?://", text) for text in texts.values())
