"""`compare --task fewshot` before any work begins: what is refused, in which words."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparse_peft.__main__ import main
from sparse_peft.backbones.vision import shapes as vision_shapes
from sparse_peft.backbones.vision.shapes import Outline
from sparse_peft.commands import compare, parser
from sparse_peft.planning import read_classes_plan
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.runs.store import Store
from tests.labelled_sets import class_folders

Capture = pytest.CaptureFixture[str]


class Classroom:
    """A folder of class folders, and a home where nothing is started."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.out = root, root / "home", root / "out"
        self.pictures = class_folders(root / "pictures")

    def options(self, **changes: object) -> list[str]:
        given: dict[str, object] = {
            "home": self.home, "task": "fewshot", "pictures": self.pictures, "shots": 2,
            "out": self.out,
        } | {name.replace("_", "-"): value for name, value in changes.items()}  # fmt: skip
        words = ["compare"]
        for name, value in given.items():
            words += (
                [] if value is None else [f"--{name}"] if value is True else [f"--{name}={value}"]
            )
        return words

    def submitted(self, **changes: object) -> ClassesPlan:
        """What the command leaves in the store, without a runner."""
        parsed = parser.build(self.home).parse_args(self.options(**changes))
        parsed.home = self.home
        self.home.mkdir(exist_ok=True)
        comparison, _ = compare._submitted(parsed)
        with Store(self.home) as store:
            return read_classes_plan(store.comparison(comparison))


@pytest.fixture
def room(tmp_path: Path) -> Classroom:
    return Classroom(tmp_path)


def refused(room: Classroom, capsys: Capture, **changes: object) -> str:
    """The one line that is said; nothing is left behind."""
    assert main(room.options(**changes)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert not room.out.exists()
    assert not (room.home / "data").exists()
    with Store(room.home) as store:
        assert store.comparisons() == []
    return said.err.removeprefix("error: ").rstrip("\n")


def test_what_is_left_out_has_a_default(room: Classroom, capsys: Capture) -> None:
    plan = room.submitted(shots=None)
    assert (plan.shared.shots, plan.shared.seeds) == (4, (1, 2, 3))
    assert list(dict.fromkeys(run.method for run in plan.runs)) == ["waveft", "lora", "so"]
    assert plan.references == ("zeroshot",)
    assert 'CLIP reads: "a apple" and so on' in capsys.readouterr().err


def test_what_is_given_is_taken(room: Classroom) -> None:
    plan = room.submitted(
        methods="linear_probe,so", budget=500, seed=7, seeds=2, steps=3, template="the {}",
    )  # fmt: skip
    assert [run.id for run in plan.runs] == ["so-s7", "so-s8"]
    assert plan.references == ("zeroshot", "linear_probe")
    assert {run.training.steps for run in plan.runs} == {3}
    assert plan.shared.template == "the {}"
    assert plan.budget == 500


def test_settings_of_methods_are_taken_and_what_is_too_small_if_it_is_allowed(
    room: Classroom, capsys: Capture
) -> None:
    low = {"methods": "so,lora", "budget": 200, "seeds": 1, "set": "lora.lr=3e-3"}
    assert "Did you mean 'dropout'?" in refused(room, capsys, set="lora.drpout=0.1")
    said = refused(room, capsys, **low)
    assert "is too small for lora" in said
    assert "or give --allow-over-budget to train them at their smallest." in said
    so, lora = room.submitted(**low, allow_over_budget=True).runs
    assert (lora.training.lr, lora.training.preset) == (3e-3, "quick, changed")
    assert (so.over_budget, lora.over_budget) == (False, True)


def test_pictures_or_a_published_set_one_of_the_two(room: Classroom, capsys: Capture) -> None:
    words = "one of the two"
    assert words in refused(room, capsys, pictures=None)
    assert words in refused(room, capsys, dataset="eurosat", root=room.root)
    assert "--root is missing" in refused(room, capsys, pictures=None, dataset="eurosat")
    assert "--root goes with --dataset" in refused(room, capsys, root=room.root)
    test = {"pictures": None, "dataset": "eurosat", "root": room.root, "test": room.pictures}
    assert "--test goes with --pictures" in refused(room, capsys, **test)


def test_an_unknown_published_set_is_refused_with_the_names_of_all(
    room: Classroom, capsys: Capture
) -> None:
    for name in ("cub", "vtab/cub"):
        said = refused(room, capsys, pictures=None, dataset=name, root=room.root)
        assert "'fgvc/cub'" in said or "fgvc/cub" in said
        assert "vtab/cifar" in said
    assert "eurosat" in refused(room, capsys, pictures=None, dataset="eurosatt")


def test_a_vision_backbone_is_given_no_template(
    room: Classroom, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    linears = {"blocks.0.mlp.fc1": (8, 8)}
    monkeypatch.setattr(vision_shapes, "outline", lambda _: Outline(linears, 160, "", 0))
    for template in ("coop", "a {}"):
        said = refused(room, capsys, backbone="timm:test_vit/random", template=template)
        assert said == ("test_vit (random) reads no words. Leave --template out, or choose a CLIP.")
    assert "goes with --dataset" in refused(room, capsys, template="coop")


def test_no_method_at_all_is_refused(room: Classroom, capsys: Capture) -> None:
    assert refused(room, capsys, methods="").startswith("--methods is empty;")


def test_a_missing_split_file_is_named(room: Classroom, capsys: Capture) -> None:
    (room.root / "eurosat/2750").mkdir(parents=True)
    said = refused(room, capsys, pictures=None, dataset="eurosat", root=room.root)
    assert "split_zhou_EuroSAT.json" in said


def test_one_class_is_refused(room: Classroom, capsys: Capture) -> None:
    for name in ("boat", "cat"):
        shutil.rmtree(room.pictures / name)
    assert "one class" in refused(room, capsys)


def test_a_class_with_no_picture_is_refused(room: Classroom, capsys: Capture) -> None:
    for path in (room.pictures / "boat").iterdir():
        path.unlink()
    assert "boat" in refused(room, capsys)


def test_two_classes_of_the_same_name_are_refused(room: Classroom, capsys: Capture) -> None:
    shutil.copytree(room.pictures / "boat", room.pictures / "Boat")
    assert "boat" in refused(room, capsys).lower()


def test_test_pictures_among_the_training_ones_are_refused(
    room: Classroom, capsys: Capture
) -> None:
    test = class_folders(room.root / "test", seed=9)
    shutil.copy(room.pictures / "cat/0.png", test / "cat/again.png")
    said = refused(room, capsys, test=test)
    assert "again.png" in said


def test_text_called_png_is_left_out_and_named(room: Classroom, capsys: Capture) -> None:
    (room.pictures / "cat/words.png").write_text("hello")
    plan = room.submitted()
    assert plan.runs
    assert "words.png" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused(room: Classroom, capsys: Capture) -> None:
    assert "nowhere does not exist" in refused(room, capsys, pictures=room.root / "nowhere")


def test_options_of_the_other_task_are_refused(room: Classroom, capsys: Capture) -> None:
    assert refused(room, capsys, noun="cat") == (
        "--noun is for --task dreambooth; leave it out, or name that task."
    )
    said = refused(room, capsys, task="dreambooth", noun="cat")
    assert said.startswith("--shots is for --task fewshot;")


def test_an_unknown_backbone_is_refused(room: Classroom, capsys: Capture) -> None:
    said = refused(room, capsys, backbone="ViT-Z-99/openai")
    assert "ViT-Z-99" in said


def test_the_same_command_goes_on_with_what_it_began(room: Classroom) -> None:
    first = room.submitted(seeds=1)
    again = room.submitted(seeds=1)
    assert first == again
    with Store(room.home) as store:
        assert len(store.comparisons()) == 1


def test_the_same_picture_in_two_classes_is_refused(room: Classroom, capsys: Capture) -> None:
    pixels = np.asarray(Image.open(room.pictures / "cat/0.png"))
    Image.fromarray(pixels).save(room.pictures / "boat/cat.png", optimize=True)
    said = refused(room, capsys)
    assert "boat" in said
    assert "cat" in said
