"""From what a person chose to the runs that will do it: sized, counted or refused."""

from sparse_peft.planning.budget import (
    STOPS_EACH_SIDE,
    budget_scale,
    check_seed,
    lora_rank_one,
    preset_budget,
    rate,
    sized,
    within,
)
from sparse_peft.planning.kept import (
    AnyPlan,
    read_classes_plan,
    read_plan,
    read_subject_plan,
    same,
)
from sparse_peft.planning.subject import (
    MOST_TRAIN_SEEDS,
    Choices,
    ComparisonPlan,
    PlannedRun,
    check,
    plan,
    subject_inputs,
)
from sparse_peft.presets import MOST_SEED

__all__ = [
    "MOST_SEED", "MOST_TRAIN_SEEDS", "STOPS_EACH_SIDE", "AnyPlan", "Choices", "ComparisonPlan",
    "PlannedRun", "budget_scale", "check", "check_seed", "lora_rank_one", "plan", "preset_budget",
    "rate", "read_classes_plan", "read_plan", "read_subject_plan", "same", "sized",
    "subject_inputs", "within",
]  # fmt: skip
