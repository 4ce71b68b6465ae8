"""Prompts and settings of a comparison."""

from pathlib import Path

import pytest

from sparse_peft import tables
from sparse_peft.errors import SpecError
from sparse_peft.tasks.dreambooth.recipe import Shared, Training, TrainSettings
from tests.tasks.local_job import small_shared, train_settings


def test_the_backbone_reads_the_token_and_the_judge_does_not() -> None:
    shared = small_shared(Path("x"), noun="owl")
    assert shared.drawn("a {subject} at sunset") == "a sks owl at sunset"
    assert shared.plain("a {subject} at sunset") == "an owl at sunset"
    assert shared.plain("two cats and my {subject}") == "two cats and my owl"
    assert shared.class_prompt == "an owl"


@pytest.mark.parametrize(
    ("prompt", "owl", "cat"),
    [
        ("A {subject} on a hill", "An owl on a hill", "A cat on a hill"),
        ("an {subject}", "an owl", "a cat"),
        ("a diorama {subject}", "a diorama owl", "a diorama cat"),
        ("my pizza {subject} and a {subject}", "my pizza owl and an owl", "my pizza cat and a cat"),
    ],
)
def test_the_article_fits_the_noun_and_no_other_word_is_taken_for_it(
    prompt: str, owl: str, cat: str
) -> None:
    assert small_shared(Path("x"), noun="owl").plain(prompt) == owl
    assert small_shared(Path("x"), noun="cat").plain(prompt) == cat


def test_settings_survive_a_table() -> None:
    settings = train_settings(small_shared(Path("x")), "lora")
    assert tables.build(TrainSettings, tables.table(settings), "settings") == settings


@pytest.mark.parametrize("name", ["steps", "batch_size", "accumulation", "checkpoint_every"])
def test_a_number_below_one_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=f"{name} is 0; use 1 or more"):
        Training(**{"lr": 1.0, "steps": 1, "seed": 0} | {name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan")])
def test_a_learning_rate_must_be_positive(lr: float) -> None:
    with pytest.raises(SpecError, match="use a number above 0"):
        Training(lr=lr, steps=1, seed=0)


def test_a_comparison_needs_prompts_and_seeds() -> None:
    table = tables.table(small_shared(Path("x")))
    for empty in ("prompts", "seeds"):
        with pytest.raises(SpecError, match="at least one prompt and one seed"):
            tables.build(Shared, table | {empty: []}, "settings")


def test_the_learning_rate_follows_its_schedule() -> None:
    training = Training(lr=0.05, steps=20, seed=0)
    assert training.learning_rate(19) == 0.05
    cosine = Training(lr=0.05, steps=20, seed=0, schedule="cosine")
    assert cosine.learning_rate(0) == 0.05
    assert cosine.learning_rate(10) == pytest.approx(0.025)
    assert cosine.learning_rate(19) < 0.001
