"""Checkpoints of a run: whole folders with a manifest, finite values only, the last two kept."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from sparse_peft import files
from sparse_peft.errors import RunError
from sparse_peft.tasks.job import NotFinite

KEPT = 2  # the newest may turn out damaged; then the one before it is still there
_TENSORS, _STATE = "tensors.safetensors", "state.json"

Checkpoint = tuple[int, dict[str, Any], dict[str, Any]]


def save(folder: Path, step: int, tensors: dict[str, Any], state: dict[str, Any]) -> None:
    """Keep a step's tensors (torch, any device) and state (JSON), whole or not at all.

    Raises:
        NotFinite: a tensor holds a value that is not finite.
        DiskError: no room; the checkpoints before it are still there.
    """
    if (bad := _not_finite(tensors)) is not None:
        raise NotFinite(step, what=bad)

    def fill(temp: Path) -> None:
        if tensors:  # without any, torch need not be there
            _save_tensors(tensors, temp / _TENSORS)
        text = json.dumps({"step": step, "state": state}, allow_nan=False)
        (temp / _STATE).write_text(text, encoding="utf-8")

    folder.mkdir(exist_ok=True)
    for stale in folder.glob(".step-*.tmp"):  # a killed attempt was writing it
        shutil.rmtree(stale)
    files.write_folder(folder / f"step-{step:08}", fill)
    for old in steps(folder)[:-KEPT]:
        shutil.rmtree(old)


def newest_good(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole and finite, and a sentence for each that is not.

    A bad one is renamed out of the way, so that it does not count among those kept.
    """
    notes: list[str] = []
    for path in reversed(steps(folder)):
        try:
            return _load(path), notes
        except RunError as error:
            notes.append(f"The checkpoint {path.name} was passed over. {error}")
            shutil.rmtree(path.with_suffix(".bad"), ignore_errors=True)
            path.rename(path.with_suffix(".bad"))
    return None, notes


def steps(folder: Path) -> list[Path]:
    """The checkpoint folders, oldest first."""
    if not folder.exists():
        return []
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d{8,}", path.name))


def _load(path: Path) -> Checkpoint:
    files.verify_folder(path)
    saved = json.loads((path / _STATE).read_text(encoding="utf-8"))
    tensors: dict[str, Any] = {}
    if (path / _TENSORS).exists():
        from safetensors.torch import load_file

        tensors = load_file(path / _TENSORS)
    if (bad := _not_finite(tensors)) is not None:
        raise RunError(f"{path} is damaged: {bad} is not finite.")
    return saved["step"], tensors, saved["state"]


def _not_finite(tensors: dict[str, Any]) -> str | None:
    """The name of a tensor that holds an infinite value or NaN."""
    for name, tensor in tensors.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not tensor.isfinite().all():
            return name
    return None


def _save_tensors(tensors: dict[str, Any], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    storages: set[int] = set()
    ours = {}
    for name, tensor in tensors.items():
        ready = tensor.detach().cpu().contiguous()
        if ready.untyped_storage().data_ptr() in storages:  # safetensors refuses shared memory
            ready = ready.clone()
        storages.add(ready.untyped_storage().data_ptr())
        ours[name] = ready
    try:
        save_file(ours, path)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), str(error)) from error
