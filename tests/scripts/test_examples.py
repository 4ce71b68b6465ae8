"""The example subjects: new characters of classes that the built-in backbone knows."""

from pathlib import Path

import draw_examples
import pytest
from PIL import Image
from pretraining import places

from sparse_peft.backbones import source
from sparse_peft.data.subject import Subject

FOLDER = Path(__file__).parents[2] / "examples" / "subjects"
SUBJECTS = sorted(path.name for path in FOLDER.iterdir())


def test_there_are_four_subjects_or_more() -> None:
    assert len(SUBJECTS) >= 4
    assert set(SUBJECTS) == set(draw_examples.SETS["examples"])


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_has_five_captioned_pictures_and_nothing_to_complain_about(
    name: str, tmp_path: Path
) -> None:
    backbone = source.resolve("builtin")
    subject, findings = Subject.from_folder(
        FOLDER / name, name, tmp_path, captions=FOLDER / name / "captions.txt",
        known_nouns=backbone.known_nouns, wanted_side=64,
    )  # fmt: skip
    assert findings == ()
    assert len(subject.pictures) == 5
    captions = [picture.caption for picture in subject.pictures]
    assert len(set(captions)) == 5  # five different places, so that none is learned as the subject
    assert set(captions) <= set(backbone.known_places)
    assert subject.training_prompts()[0] == f"a sks {name} {captions[0]}"


def test_presets_were_not_chosen_on_the_examples() -> None:
    assert not set(draw_examples.SETS["examples"]) & set(draw_examples.SETS["tuning"])


@pytest.mark.usefixtures("shapes")
def test_the_script_draws_each_character_the_same_way_every_time(tmp_path: Path) -> None:
    for name, character in draw_examples.SETS["tuning"].items():
        for turn in ("first", "second"):
            draw_examples.draw(tmp_path / turn / name, name, character)
        first, second = (sorted((tmp_path / t / name).iterdir()) for t in ("first", "second"))
        assert [p.name for p in first] == [*(f"0{i}.png" for i in range(5)), "captions.txt"]
        for ours, again in zip(first, second, strict=True):
            assert ours.read_bytes() == again.read_bytes()
        with Image.open(first[0]) as picture:
            assert picture.size == (128, 128)
        lines = (tmp_path / "first" / name / "captions.txt").read_text().splitlines()
        assert [line.split("\t")[1] for line in lines] == list(character[1])
        assert set(character[1]) <= set(places.PLACES)
