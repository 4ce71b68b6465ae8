"""The scripts of examples/ run as their first lines say, and what they print is true."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer
from transformers.trainer_utils import SchedulerType

from examples import plain_loop, trainer
from sparse_peft import SO, sampled_gradients
from tests.dense_watch import DenseWatch
from tests.small_models import save_sd

EXAMPLES = Path(__file__).parents[1] / "examples"
STEPS = 3  # of the Trainer, beside a plain loop
OF_OTHERS = [
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",  # PEFT asks transformers
]
pytestmark = [pytest.mark.filterwarnings(text) for text in OF_OTHERS]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs an example in this process with arguments, and gives what it printed."""

    def said(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        with torch.random.fork_rng():
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return said


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_first_how_it_is_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""')
    told = text.split('"""')[1]
    assert f"python -m examples.{path.stem}\n" in told or f"python examples/{path.name}" in told
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert f"examples.{path.stem}`" in readme or f"examples/{path.name}`" in readme


def test_the_plain_loop_teaches_a_cosine(run) -> None:
    out = run("plain_loop")
    [before] = re.findall(r"^base .* of the cosine ([\d.]+)$", out, re.M)
    after = re.findall(r"^(\w+) +(\d+) values .* cosine ([\d.]+)$", out, re.M)
    assert [label for label, *_ in after] == ["WaveFT", "SO"]
    for _, count, error in after:
        assert int(count) < 200
        assert float(error) < float(before) / 100


def test_the_plain_loop_never_computes_the_dense_gradient_of_its_middle_layer() -> None:
    model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Linear(64, 1))
    x = torch.linspace(-1, 1, 8)[:, None]  # so few that no activation is as large as the weight
    with DenseWatch([model[2].weight]) as watch:
        plain_loop.with_so(model, x, x)
    assert watch.seen
    assert not watch.made


@pytest.mark.slow
def test_the_trainer_teaches_to_count(run) -> None:
    out = run("trainer")
    rows = re.findall(
        r"^(\w+) +([\d,]+) values, loss ([\d.]+) -> ([\d.]+), norm .* ([\d.]+)$", out, re.M
    )
    assert [label for label, *_ in rows] == ["WaveFT", "SNELL", "SO"]
    for _, _, first, last, norm in rows:
        assert float(last) < float(first) / 2
        assert float(norm) > 0  # the Trainer saw the gradients, so it clipped them


def moved(max_norm: float, tmp_path: Path, *, by_trainer: bool) -> Tensor:
    """Where SO brings a model on the same few rows, each time clipped at `max_norm`."""
    model, batch = trainer.small_model(), trainer.rows()[:4]
    # With a large eps, steps are as long as gradients: Adam would undo any scaling of them.
    so = SO(model.parameters(), lr=0.1, eps=1.0, density_ratio=0.05, T=2)
    sampled_gradients(model, so)
    settings = trainer.arguments(str(tmp_path), lr=0.1)
    settings.max_grad_norm, settings.max_steps = max_norm, STEPS
    settings.per_device_train_batch_size = len(batch)
    settings.lr_scheduler_type = SchedulerType.CONSTANT
    if by_trainer:
        loop = Trainer(model, settings, train_dataset=batch, optimizers=(so, None))
        loop.remove_callback(PrinterCallback)
        loop.train()
    else:
        together = torch.stack([row["input_ids"] for row in batch])
        for _ in range(STEPS):
            model(input_ids=together, labels=together).loss.backward()
            if max_norm:
                torch.nn.utils.clip_grad_norm_(so.sampled.values(), max_norm)
            so.step()
    return torch.cat([param.detach().flatten() for param in model.parameters()])


@pytest.mark.slow
def test_the_trainer_clips_what_so_samples(tmp_path: Path) -> None:
    found = moved(0.1, tmp_path, by_trainer=True)
    torch.testing.assert_close(found, moved(0.1, tmp_path, by_trainer=False))
    unclipped = moved(0.0, tmp_path, by_trainer=True)
    torch.testing.assert_close(unclipped, moved(0.0, tmp_path, by_trainer=False))
    base = torch.cat([param.flatten() for param in trainer.small_model().parameters()])
    assert (found - base).norm() < (unclipped - base).norm() / 2


@pytest.mark.slow
def test_a_diffusers_script_teaches_the_builtin_backbone(run, tmp_path: Path) -> None:
    out = run("diffusers_dreambooth", "--out", str(tmp_path / "cat"), "--steps", "12")
    assert "trainable params: 72,576" in out
    [(before, after)] = re.findall(r"^loss ([\d.]+) -> ([\d.]+) in 12 steps$", out, re.M)
    assert float(after) < float(before)
    assert f"loss when plain PEFT opens it {after}" in out
    values = load_file(tmp_path / "cat" / "adapter_model.safetensors")
    assert sum(value.numel() for value in values.values()) == 72_576
    with Image.open(tmp_path / "cat" / "picture.png") as picture:
        assert picture.size == (64, 64)


def test_a_diffusers_script_teaches_a_model_of_its_own(run, tmp_path: Path) -> None:
    save_sd(tmp_path / "model", "v_prediction")
    out = run(
        "diffusers_dreambooth", "--model", str(tmp_path / "model"), "--coefficients", "64",
        "--out", str(tmp_path / "dog"), "--steps", "3",
    )  # fmt: skip
    [after] = re.findall(r"^loss [\d.]+ -> ([\d.]+) in 3 steps$", out, re.M)
    assert f"loss when plain PEFT opens it {after}" in out
