"""Plain words: numbers, prompts as a person says them, footprints, states, verdicts."""

import pytest

from sparse_peft.metrics.intervals import Interval
from sparse_peft.report import words

DOG = {"token": "sks", "noun": "dog"}


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("a photo of sks dog in the snow", "a photo of your dog in the snow"),
        ("a sks dog on a beach", "your dog on a beach"),
        ("A SKS  Dog wearing a hat", "your dog wearing a hat"),
        ("a photo of a dog", "a photo of a dog"),
        ("sksa dog", "sksa dog"),
    ],
)
def test_prompts_as_a_person_says_them(prompt: str, shown: str) -> None:
    assert words.shown_prompt(DOG, prompt) == shown


def test_a_token_is_never_a_pattern() -> None:
    odd = {"token": "s.s", "noun": "dog (old)"}
    assert words.shown_prompt(odd, "sks dog (old)") == "sks dog (old)"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.26, "4.3 s"), (54.6, "55 s"), (110, "1 min 50 s"), (120, "2 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_numbers() -> None:
    assert words.count(34_944) == "34,944"
    assert words.about(1_296_000) == "1.3 million"
    assert (words.size(140_000), words.size(5_040_000)) == ("140 kB", "5.0 MB")
    assert words.number(-0.2, 0) == "0"
    assert words.range_words(Interval(1, -3.4, 7.6), 0) == "\N{MINUS SIGN}3 to 8"
    assert words.range_words(Interval(1, None, None), 0) == ""


def test_footprints_say_what_is_estimated_and_what_is_dense() -> None:
    sizes = {"active": 34_944, "stored": 1_300_000, "support": 645_000, "estimated": True}
    assert words.footprint(sizes) == (
        "Trains 34,944 numbers at a time, keeps about 1.3 million in its file, and changes about "
        "645,000 weights."
    )
    assert words.support(sizes) == "~645,000"
    assert words.support(sizes | {"support": None}) == "all"


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("finished", {}, None),
        ("failed", {"error": "no memory."}, "Stopped: no memory."),
        ("cancelled", {"stopped_at": 120, "step": 120}, "Stopped at step 120 of 200. Kept."),
        ("cancelled", {}, "Stopped. Discarded."),
        ("cancelled", {"step": 90}, "Stopped at step 90 of 200 before it was finished."),
        ("interrupted", {}, "Interrupted: its process ended."),
        ("interrupted", {"step": 90}, "Interrupted at step 90: its process ended."),
        ("queued", {}, "Waiting."),
        ("running", {"step": 90}, "Still training."),
    ],
)
def test_states(state: str, more: dict, said: str | None) -> None:
    run = {"state": state, "error": None, "stopped_at": None, "settings": {"steps": 200}}
    assert words.state(run | more) == said


def test_verdicts_name_the_better_column_first() -> None:
    pair = {"metric": "subject_fidelity", "a": "so", "b": "lora", "of": 24, "ties": 1}
    comparison = {
        "noun": "dog", "reference": "lora", "runs": [
            {"method": "lora", "label": "LoRA"}, {"method": "so", "label": "SO"},
        ],
        "pairs": [
            pair | {"wins": 4, "word": "Clear"},
            pair | {"wins": 13, "word": "Cannot tell"},
            pair | {"b": "base", "wins": 24, "word": "Clear"},
        ],
    }  # fmt: skip
    assert words.verdicts(comparison, "subject_fidelity") == [
        ("LoRA looks more like your dog than SO in 19 of 24.", "Clear."),
        ("SO and LoRA: 13 of 24.", "Cannot tell them apart."),
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [(999_999, "999,999"), (999_900_000, "1 billion"), (2_567_000_000, "2.57 billion")],
)
def test_very_large_numbers_are_never_powers_of_ten(number: int, said: str) -> None:
    assert words.about(number) == said


@pytest.mark.parametrize(
    ("count_bytes", "said"),
    [(1, "1 kB"), (139_776, "140 kB"), (999_900, "1.0 MB"), (5_040_000, "5.0 MB"),
     (999_990_000, "1.0 GB"), (10_270_000_000, "10.3 GB")],
)  # fmt: skip
def test_sizes_take_the_unit_that_fits(count_bytes: int, said: str) -> None:
    assert words.size(count_bytes) == said


def test_one_is_singular() -> None:
    assert words.counted(1, "prompt") == "1 prompt"
    assert words.counted(0, "prompt") == "0 prompts"
    assert (
        words.counted(1_200, "pair of pictures", "pairs of pictures") == "1,200 pairs of pictures"
    )
