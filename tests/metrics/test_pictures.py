"""Metrics of pictures against plain loops and sklearn, and the anchors by their definitions."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from sparse_peft.metrics import pictures
from sparse_peft.metrics.intervals import Interval, interval


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


SAMPLES, PICTURES, PROMPTS = unit(4, 3, 8), unit(5, 8, seed=1), unit(4, 8, seed=2)


def test_subject_fidelity_is_the_mean_cosine_to_the_pictures() -> None:
    wanted = cosine_similarity(SAMPLES.reshape(12, 8), PICTURES).mean(axis=1).reshape(4, 3)
    assert np.allclose(pictures.subject_fidelity(SAMPLES, PICTURES), wanted, atol=1e-6)


def test_prompt_fidelity_is_the_cosine_to_the_own_prompt() -> None:
    found = pictures.prompt_fidelity(SAMPLES, PROMPTS)
    for prompt in range(4):
        wanted = cosine_similarity(SAMPLES[prompt], PROMPTS[prompt : prompt + 1])[:, 0]
        assert np.allclose(found[prompt], wanted, atol=1e-6)


def test_diversity_is_the_mean_distance_between_pictures_of_one_prompt() -> None:
    found = pictures.diversity(SAMPLES)
    assert found is not None
    for prompt in range(4):
        distances = 1 - cosine_similarity(SAMPLES[prompt])
        pairs = [distances[0, 1], distances[0, 2], distances[1, 2]]
        assert found[prompt] == pytest.approx(np.mean(pairs), abs=1e-6)


def test_diversity_needs_three_seeds() -> None:
    assert pictures.diversity(SAMPLES[:, :2]) is None


def test_diversity_of_equal_pictures_is_nothing() -> None:
    same = np.repeat(SAMPLES[:, :1], 3, axis=1)
    assert np.allclose(pictures.diversity(same), 0, atol=1e-6)


def test_change_is_nothing_for_the_base_and_one_for_the_unrelated() -> None:
    assert np.allclose(pictures.change_from_base(SAMPLES, SAMPLES), 0, atol=1e-6)
    axes = np.eye(2, dtype=np.float32)
    assert np.allclose(pictures.change_from_base(axes, axes[::-1]), 1)


def test_the_persons_pictures_stand_at_a_hundred_each_left_out_once() -> None:
    kept = [
        pictures.subject_fidelity(PICTURES[i : i + 1], np.delete(PICTURES, i, axis=0))[0]
        for i in range(5)
    ]
    base = np.array([[-0.9, -0.91]])
    anchor = pictures.subject_anchor(PICTURES, base, interval(base))
    assert anchor.hundred == pytest.approx(np.mean(kept), abs=1e-6)
    assert anchor.usable
    assert pictures.scaled(float(np.mean(kept)), anchor) == pytest.approx(100)
    assert pictures.scaled(-0.905, anchor) == pytest.approx(0)


def test_one_picture_carries_no_scale() -> None:
    anchor = pictures.subject_anchor(PICTURES[:1], np.array([[0.1]]), Interval(0.1, 0.0, 0.2))
    assert anchor.hundred is None
    assert not anchor.usable


def test_prompt_anchor_judges_the_base_by_the_other_prompts() -> None:
    others = [
        SAMPLES[p, s] @ PROMPTS[q] for p in range(4) for s in range(3) for q in range(4) if q != p
    ]
    base = pictures.prompt_fidelity(SAMPLES, PROMPTS)
    anchor = pictures.prompt_anchor(SAMPLES, PROMPTS, interval(base))
    assert anchor.zero == pytest.approx(np.mean(others), abs=1e-6)
    assert anchor.hundred == pytest.approx(base.mean(), abs=1e-6)


def test_a_single_prompt_has_no_other_to_be_judged_by() -> None:
    base = pictures.prompt_fidelity(SAMPLES[:1], PROMPTS[:1])
    assert pictures.prompt_anchor(SAMPLES[:1], PROMPTS[:1], interval(base)).zero is None


def test_anchors_closer_than_the_bases_own_interval_carry_no_scale() -> None:
    assert pictures.diversity_anchor(Interval(0.5, 0.3, 0.7)).usable
    assert not pictures.diversity_anchor(Interval(0.5, 0.2, 0.9)).usable
    assert not pictures.diversity_anchor(None).usable


def test_anchors_upside_down_carry_no_scale() -> None:
    base = np.full((4, 3), 0.99)
    assert not pictures.subject_anchor(PICTURES, base, interval(base)).usable


def test_drift_is_raw_only() -> None:
    assert pictures.drift_anchor() == pictures.Anchor(0.0, None, False)
