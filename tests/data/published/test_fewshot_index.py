"""Published few-shot draws are found, matched to the set, and refused where they do not fit."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from sparse_peft.data.labelled import Labelled
from sparse_peft.data.published.benchmarks import NAMES, open_benchmark
from sparse_peft.data.published.fewshot_index import index_findings, published_draws
from sparse_peft.data.published.layouts import layout_named
from sparse_peft.errors import UserError
from tests.data.published_trees import coop_pickle, plant, plant_imagenet, shots_of, split_of

Rows = list[list[Any]]


def rows_of(name: str, home: Path, shots: int, skip: int = 0) -> Rows:
    """Some shots of a planted set, paths below the folder of its pictures."""
    if name != "imagenet":
        return shots_of(split_of(name), shots, skip)
    start = f"{home / 'images'}/"
    labels = enumerate(sorted((home / "images" / "train").iterdir()))
    return [
        [str(path).removeprefix(start), label, "tench"]
        for label, folder in labels
        for path in sorted(folder.iterdir())[skip : skip + shots]
    ]


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(rows: Rows, start: str) -> str:
    """As 2SFS writes it: paths below the folder of all sets."""
    return "".join(
        json.dumps(
            {"_impath": f"{start}{file}", "_label": label, "_domain": -1, "_classname": name}
        )
        + "\n"
        for file, label, name in rows
    )


def cross_modal(rows: Rows, start: str) -> str:
    """As cross_modal_adaptation writes it: paths below ./data/."""
    data = [
        {"impath": f"./data/{start}{file}", "label": label, "classname": name}
        for file, label, name in rows
    ]
    table = {"data": data, "indices": list(range(len(data)))}
    return json.dumps({"train": table, "val": {"data": data[:1], "indices": [0]}}, indent=4)


def opened(name: str, root: Path) -> Labelled:
    return open_benchmark(name, root)[0]


def drawn_files(labelled: Labelled, draw: str) -> list[str]:
    return [labelled.pictures[place].file for place in labelled.drawn[draw]]


def below_root(name: str) -> str:
    """Folder of the set and of its pictures, as CoOp spells them."""
    layout = layout_named(name)
    return f"{layout.folders[0]}/{layout.images}/" if layout.images else f"{layout.folders[0]}/"


@pytest.fixture
def eurosat(tmp_path: Path) -> Path:
    return plant("eurosat", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_three_forms_are_read_for_every_set(name: str, tmp_path: Path) -> None:
    home = plant(name, tmp_path)
    start = below_root(name)
    forms = {"1-1": rows_of(name, home, 1), "2-3": rows_of(name, home, 2, 1)}
    forms["4-2"] = rows_of(name, home, 4)
    few = home / "split_fewshot"
    write(few / "shot_1-seed_1.pkl", coop_pickle(forms["1-1"], start.rstrip("/")))
    write(few / "shot_2-seed_3_train.jsonl", jsonl(forms["2-3"], start))
    write(few / "shot_2-seed_3_val.jsonl", "not read")
    write(tmp_path / "indices" / name / "shot_4-seed_2.json", cross_modal(forms["4-2"], start))
    labelled, findings = open_benchmark(name, tmp_path)
    assert set(labelled.drawn) == set(forms)
    images = layout_named(name).images
    for draw, rows in forms.items():
        expected = [f"{images}/{file}" if images else file for file, _, _ in rows]
        assert drawn_files(labelled, draw) == expected
    assert str(findings[-1]) == (
        "Shots are drawn as published for these:"
        f" {home.name}/split_fewshot/shot_1-seed_1.pkl,"
        f" {home.name}/split_fewshot/shot_2-seed_3_train.jsonl,"
        f" indices/{name}/shot_4-seed_2.json."
    )


def test_draws_of_the_other_layout_of_imagenet_fit(tmp_path: Path) -> None:
    home = plant("imagenet", tmp_path / "coop")
    data = coop_pickle(rows_of("imagenet", home, 2), "imagenet/images")
    (tmp_path / "imagenet").mkdir()
    plant_imagenet(tmp_path / "imagenet", "")
    write(tmp_path / "imagenet" / "split_fewshot" / "shot_2-seed_1.pkl", data)
    files = drawn_files(opened("imagenet", tmp_path), "2-1")
    assert files[:2] == [f"train/n01440764/n01440764_{number}.JPEG" for number in range(2)]


@pytest.mark.parametrize(
    "folder", ["eurosat/indices", "eurosat/indices/eurosat", "indices/EuroSAT", "indices/eurosat"]
)
def test_cross_modal_indices_are_found_where_people_copy_them(folder: str, eurosat: Path) -> None:
    rows = rows_of("eurosat", eurosat, 1)
    text = cross_modal(rows, "eurosat/2750/")
    write(eurosat.parent / folder / "shot_1-seed_1.json", text)
    write(eurosat.parent / "indices" / "dtd" / "shot_1-seed_2.json", "of another set")
    assert opened("eurosat", eurosat.parent).drawn == {"1-1": (0, 4, 8)}


def test_of_several_files_of_one_draw_that_of_coop_counts(eurosat: Path) -> None:
    few = eurosat / "split_fewshot"
    write(few / "shot_1-seed_1_train.jsonl", jsonl(rows_of("eurosat", eurosat, 1, 1), "2750/"))
    text = cross_modal(rows_of("eurosat", eurosat, 1, 2), "eurosat/2750/")
    write(eurosat.parent / "indices" / "eurosat" / "shot_1-seed_1.json", text)
    assert opened("eurosat", eurosat.parent).drawn == {"1-1": (1, 5, 9)}
    rows = rows_of("eurosat", eurosat, 1)
    write(few / "shot_1-seed_1.pkl", coop_pickle(rows, "eurosat/2750"))
    labelled, findings = open_benchmark("eurosat", eurosat.parent)
    assert labelled.drawn == {"1-1": (0, 4, 8)}
    assert [str(finding) for finding in findings[-2:]] == [
        "Shots are drawn as published for these: eurosat/split_fewshot/shot_1-seed_1.pkl.",
        "Passed over, since a file above tells the same draw:"
        " eurosat/split_fewshot/shot_1-seed_1_train.jsonl, indices/eurosat/shot_1-seed_1.json.",
    ]


def test_a_set_without_draws_has_none_and_no_word_of_them(eurosat: Path) -> None:
    write(eurosat / "split_fewshot" / "readme.pkl", "no draw")
    write(eurosat / "split_fewshot" / "shot_0-seed_1.pkl", "no draw")
    write(eurosat / "split_fewshot" / "shot_1-seed_1.pkl.bak", "no draw")
    assert published_draws(opened("eurosat", eurosat.parent), eurosat) == {}
    assert index_findings(layout_named("eurosat"), eurosat) == ()


def test_a_picture_may_be_drawn_twice(eurosat: Path) -> None:
    """CoOp draws with replacement where a class has too few."""
    rows = rows_of("eurosat", eurosat, 1)
    data = coop_pickle([row for row in rows for _ in range(2)], "eurosat/2750")
    write(eurosat / "split_fewshot" / "shot_2-seed_1.pkl", data)
    assert opened("eurosat", eurosat.parent).drawn == {"2-1": (0, 0, 4, 4, 8, 8)}


def changed(rows: Rows, place: int, column: int, value: object) -> Rows:
    return [
        [*row[:column], value, *row[column + 1 :]] if number == place else row
        for number, row in enumerate(rows)
    ]


FORMS = {
    "coop": ("split_fewshot/shot_1-seed_1.pkl", lambda rows: coop_pickle(rows, "eurosat/2750")),
    "2sfs": ("split_fewshot/shot_1-seed_1_train.jsonl", lambda rows: jsonl(rows, "eurosat/2750/")),
    "cross_modal": ("indices/shot_1-seed_1.json", lambda rows: cross_modal(rows, "eurosat/2750/")),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, "second/other.jpg", "which is not in eurosat at"),
        (0, "x" * 1001, "a shot without a path or a label"),
        (0, "second/second_4.jpg", "a picture of val and not of train"),
        (0, "second/second_6.jpg", "a picture of test and not of train"),
        (1, 2, "the label 2, the split 1"),
        (1, "1", "without a path or a label"),
    ],
)
def test_draws_that_do_not_fit_are_refused(
    form: str, column: int, value: object, words: str, eurosat: Path
) -> None:
    name, content_of = FORMS[form]
    rows = changed(rows_of("eurosat", eurosat, 1), 1, column, value)
    text = refusal(eurosat, write(eurosat / name, content_of(rows)))
    assert words in text


def refusal(home: Path, path: Path) -> str:
    """The sentence of the refusal, which names the file and what to do."""
    with pytest.raises(UserError) as caught:
        open_benchmark("eurosat", home.parent)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text.replace(str(home.parent), "ROOT")) < 350, text
    return text


def test_a_draw_with_too_many_or_no_pictures_of_a_class_is_refused(eurosat: Path) -> None:
    path = eurosat / "split_fewshot" / "shot_1-seed_1.pkl"
    write(path, coop_pickle(rows_of("eurosat", eurosat, 2), "eurosat/2750"))
    assert "has 2 pictures of 'first thing'; expected 1" in refusal(eurosat, path)
    write(path, coop_pickle(rows_of("eurosat", eurosat, 1)[:2], "eurosat/2750"))
    assert "has 0 pictures of 'third thing'; expected 1" in refusal(eurosat, path)


class Harm:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_malicious_pickle_is_refused_and_not_run(eurosat: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    data = pickle.dumps({"train": [Harm(marker)], "val": []})
    path = write(eurosat / "split_fewshot" / "shot_1-seed_1.pkl", data)
    text = refusal(eurosat, path)
    assert "holds 'posix.mkdir', which no few-shot file of CoOp does; nothing of it was" in text
    assert not marker.exists()
    pickle.loads(data)
    assert marker.exists(), "the payload is a dud, and the test above shows nothing"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("split_fewshot/shot_1-seed_1.pkl", b"", "holds something damaged"),
        ("split_fewshot/shot_1-seed_1.pkl", b"\0" * (2**24 + 1), "holds more than 16 MB"),
        ("split_fewshot/shot_1-seed_1_train.jsonl", "{", "is not a JSON table a line"),
        ("split_fewshot/shot_1-seed_1_train.jsonl", "[" * 100_000, "is not a JSON table a line"),
        ("split_fewshot/shot_1-seed_1_train.jsonl", b"\xff", "is not a JSON table a line"),
        ("split_fewshot/shot_1-seed_1_train.jsonl", "[1]", "has a shot that is no table"),
        ("split_fewshot/shot_1-seed_1_train.jsonl", "{}", "has a shot without a path"),
        ("indices/shot_1-seed_1.json", "{", "not valid JSON"),
        ("indices/shot_1-seed_1.json", "{}", "has no train.data"),
        ("indices/shot_1-seed_1.json", '{"train": []}', "has no train.data"),
        ("indices/shot_1-seed_1.json", '{"train": {"data": {}}}', "has no train.data"),
        ("indices/shot_1-seed_1.json", '{"train": {"data": [1]}}', "has a shot that is no table"),
    ],
)
def test_damaged_files_are_refused(
    name: str, content: bytes | str, words: str, eurosat: Path
) -> None:
    path = write(eurosat / name, content)
    assert words in refusal(eurosat, path)


@pytest.mark.parametrize("name", ["shot_1-seed_1.pkl", "shot_1-seed_1_train.jsonl"])
def test_a_pipe_or_a_huge_file_is_not_read(name: str, eurosat: Path) -> None:
    path = write(eurosat / "split_fewshot" / name, b"")
    with path.open("ab") as file:
        file.truncate(2**26 + 1)
    assert "at most 64 MB are allowed" in refusal(eurosat, path)
    path.unlink()
    os.mkfifo(path)
    assert "is not a file that can be read" in refusal(eurosat, path)
