"""Tables become frozen dataclasses or one clear sentence."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from sparse_peft.errors import SpecError
from sparse_peft.tables import build, nearest, read_json, read_toml, spelled, table


@dataclasses.dataclass(frozen=True)
class Wave:
    coefficients: int
    scale: float = 25.0
    family: Literal["haar", "db2"] = "haar"


@dataclasses.dataclass(frozen=True)
class Recipe:
    noun: str
    wave: Wave
    seeds: tuple[int, ...] = (0,)
    betas: tuple[float, float] = (0.9, 0.999)
    prior: bool = False
    token: str | None = None
    width: int | float = 1
    rates: dict[str, float] = dataclasses.field(default_factory=dict)
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    best: Wave | None = None


FULL: dict[str, Any] = {
    "noun": "dog",
    "wave": {"coefficients": 499, "scale": 3.5, "family": "db2"},
    "seeds": [3, 4],
    "betas": [0.8, 0.9],
    "prior": True,
    "token": "sks",
    "width": 2,
    "rates": {"a": 0.5},
    "fields": {"list": [1, "x", None, {"deep": 1.5}]},
    "best": {"coefficients": 1, "scale": 1.0, "family": "haar"},
}


def recipe(**changes: Any) -> Recipe:
    return build(Recipe, {"noun": "dog", "wave": {"coefficients": 1}, **changes}, "dog.toml")


def test_a_full_table_round_trips_exactly_through_json() -> None:
    made = build(Recipe, FULL, "dog.toml")
    assert table(made) == FULL
    assert build(Recipe, json.loads(json.dumps(table(made))), "dog.toml") == made


def test_defaults_fill_what_is_absent() -> None:
    made = recipe()
    assert (made.seeds, made.token, made.wave.scale, made.best) == ((0,), None, 25.0, None)
    assert recipe(token=None).token is None


def test_an_int_is_accepted_as_a_float_and_becomes_one() -> None:
    scale = recipe(wave={"coefficients": 1, "scale": 2}).wave.scale
    assert scale == 2.0
    assert type(scale) is float
    assert type(recipe(width=2).width) is int
    assert type(recipe(width=2.0).width) is float


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"nuon": "cat"}, "dog.toml: unknown setting 'nuon'. Did you mean 'noun'?"),
        (
            {"wave": {"coefficients": "2k"}},
            "dog.toml.wave.coefficients is '2k'; expected int.",
        ),
        ({"wave": {"coefficients": True}}, "dog.toml.wave.coefficients is True; expected int."),
        ({"wave": {"coefficients": 1.0}}, "dog.toml.wave.coefficients is 1.0; expected int."),
        ({"wave": {}}, "dog.toml.wave.coefficients is missing; expected int."),
        ({"wave": 3}, "dog.toml.wave is 3; expected a table."),
        (
            {"wave": {"coefficients": 1, "scale": True}},
            "dog.toml.wave.scale is True; expected float.",
        ),
        (
            {"wave": {"coefficients": 1, "scale": float("inf")}},
            "dog.toml.wave.scale is inf; expected a finite number.",
        ),
        (
            {"wave": {"coefficients": 1, "family": "har"}},
            "dog.toml.wave.family is 'har'; expected 'haar' or 'db2'. Did you mean 'haar'?",
        ),
        ({"prior": 1}, "dog.toml.prior is 1; expected bool."),
        ({"token": 5}, "dog.toml.token is 5; expected str."),
        ({"width": "wide"}, "dog.toml.width is 'wide'; expected int or float."),
        ({"seeds": 3}, "dog.toml.seeds is 3; expected a list of int."),
        ({"seeds": [1, "2"]}, "dog.toml.seeds[1] is '2'; expected int."),
        ({"betas": [0.9]}, "dog.toml.betas is [0.9]; expected a list of 2 float."),
        ({"rates": [1]}, "dog.toml.rates is [1]; expected a table."),
        ({"rates": {"a": "b"}}, "dog.toml.rates.a is 'b'; expected float."),
        ({"fields": {"a": [{1, 2}]}}, "dog.toml.fields.a[0] is {1, 2}; expected float."),
        ({"best": {"scale": 1.0}}, "dog.toml.best.coefficients is missing; expected int."),
        ({"best": 3}, "dog.toml.best is 3; expected a table."),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        recipe(**changes)
    assert str(caught.value) == sentence


def test_an_unknown_word_without_a_neighbour_lists_what_is_known() -> None:
    with pytest.raises(SpecError, match=r"Known: coefficients, family, scale\."):
        build(Wave, {"zzz": 1}, "x")


def test_what_the_class_refuses_gets_its_place() -> None:
    @dataclasses.dataclass(frozen=True)
    class Positive:
        rank: int

        def __post_init__(self) -> None:
            if self.rank < 1:
                raise SpecError(f"rank is {self.rank}; expected 1 or more.")

    with pytest.raises(SpecError, match=r"^a.toml: rank is 0; expected 1 or more\.$"):
        build(Positive, {"rank": 0}, "a.toml")


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(SpecError) as caught:
        recipe(seeds="9" * 10_000)
    assert len(str(caught.value)) < 120


def test_a_table_holds_plain_values_only() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        table(Recipe(noun="dog", wave=Wave(1), fields={"path": Path("x")}))
    with pytest.raises(ValueError, match="not a dataclass"):
        table({"a": 1})


def test_nearest_finds_the_word_meant_or_none() -> None:
    assert nearest("wavft", ["lora", "so", "waveft"]) == "waveft"
    assert nearest("LORA", ["lora", "so"]) == "lora"
    assert nearest("zzz", ["lora", "so"]) is None


def test_read_toml_and_read_json_give_tables(tmp_path: Path) -> None:
    toml, jason = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text('noun = "dog"\n[wave]\ncoefficients = 3\n')
    jason.write_text('{"noun": "dog"}')
    assert read_toml(toml) == {"noun": "dog", "wave": {"coefficients": 3}}
    assert read_json(jason) == {"noun": "dog"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.toml", b"a = 1\nb = = 2\n", "a.toml, line 2: not valid TOML"),
        ("a.toml", b"\xff\xfe", "a.toml is not a text file in UTF-8."),
        ("a.json", b'{"a": 1,\n"b": }', "a.json, line 2: not valid JSON"),
        ("a.json", b'{"a": NaN}', "NaN is not a number that JSON knows"),
        ("a.json", b"[" * 100_000, "a.json: not valid JSON"),
        ("a.json", b"[1]", "a.json holds [1]; expected a table."),
        ("a.json", None, "a.json does not exist."),
        ("a.toml", None, "a.toml does not exist."),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        (read_toml if name.endswith("toml") else read_json)(path)
    assert sentence in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        read_json(tmp_path)


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (bool, "true", True), (bool, "false", False), (bool, "1", "1"), (int, "12", 12),
        (int, "1e3", "1e3"), (float, "3e-3", 3e-3), (float, "7", 7.0), (int | float, "7", 7),
        (str, "7", "7"), (float | None, "none", None), (float, "none", "none"),
        (float | None, "2", 2.0), (Literal["haar", "db2"], "db2", "db2"),
    ],
)  # fmt: skip
def test_a_type_says_what_a_word_spells(hint: Any, text: str, value: object) -> None:
    found = spelled(hint, text)
    assert (found, type(found)) == (value, type(value))
