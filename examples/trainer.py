"""WaveFT, SNELL and SO in a Transformers `Trainer`.

    python -m examples.trainer

A small language model with random weights learns to count on from the first numbers of a row. For
each method it prints the values that are trained at a time, the loss of the first and of the last
steps (ln 32 = 3.47 is chance), and the largest norm that the gradients had before the Trainer
clipped them.
"""

import tempfile

import torch
from peft import PeftConfig, get_peft_model
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from sparse_peft import SO, SnellConfig, WaveFTConfig, sampled_gradients

NUMBERS, LENGTH, ROWS = 32, 16, 1024
STEPS, LOGGED = 60, 10


def rows() -> list[dict[str, Tensor]]:
    """Rows that count up from some number, by one, two or three, and begin anew after 31."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(NUMBERS, (ROWS, 1), generator=generator)
    by = torch.randint(1, 4, (ROWS, 1), generator=generator)
    counted = (first + by * torch.arange(LENGTH)) % NUMBERS
    return [{"input_ids": row, "labels": row} for row in counted]


def small_model() -> PreTrainedModel:
    """A Llama of random weights so large that its frozen last layer can be sure of a number."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=NUMBERS, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=LENGTH, initializer_range=0.2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def arguments(folder: str, lr: float) -> TrainingArguments:
    """Settings that all methods share."""
    settings = {
        "max_steps": STEPS, "per_device_train_batch_size": 16, "learning_rate": lr,
        "logging_steps": LOGGED, "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(), "max_grad_norm": 1.0,
    }  # fmt: skip
    return TrainingArguments(folder, **settings)


def with_adapter(label: str, config: PeftConfig, lr: float, folder: str) -> None:
    """An adapter: the model is frozen, what the adapter adds is trained."""
    model = get_peft_model(small_model(), config)
    trainer = Trainer(model, arguments(folder, lr), train_dataset=rows())
    train(label, model.get_nb_trainable_parameters()[0], trainer)


def with_so(lr: float, folder: str) -> None:
    """An optimizer: the weights themselves are trained, a few at a time."""
    model = small_model()
    so = SO(model.parameters(), lr=lr, density_ratio=0.05, T=20)
    sampled_gradients(model, so)
    settings = arguments(folder, lr)
    trainer = Trainer(model, settings, train_dataset=rows(), optimizers=(so, None))
    train("SO", sum(entries.numel() for entries in so.sampled.values()), trainer)


def train(label: str, count: int, trainer: Trainer) -> None:
    """Train, and print a line of what was logged."""
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    log = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
    first, last = log[0]["loss"], log[-1]["loss"]
    norm = max(entry["grad_norm"] for entry in log)
    print(f"{label:7} {count:6,} values, loss {first:.2f} -> {last:.2f}, norm up to {norm:.2f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        waveft = WaveFTConfig(n_frequency=512, target_modules="all-linear")
        with_adapter("WaveFT", waveft, 1e-2, folder)
        with_adapter("SNELL", SnellConfig(target_modules="all-linear"), 1e-1, folder)
        with_so(1e-2, folder)


if __name__ == "__main__":
    main()
