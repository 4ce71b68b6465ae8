"""A worker whose training is fake. Run as a script.

Settings: steps, dt (seconds of each), checkpoint_every, fail_at and how, gate (a step after which
the first attempt waits for a file called go).
"""

import hashlib
import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from sparse_peft.errors import DataError
from sparse_peft.runs.worker import run_as_process
from sparse_peft.tasks.job import Cancelled, Job, NotFinite

LIMIT_BYTES = 64 << 10


def prepare(job: Job) -> None:
    """Write two outputs that a train run reads."""
    _walk(job, 0, "")
    (job.folder / "samples").mkdir(exist_ok=True)
    (job.folder / "samples/base.txt").write_text("base")
    (job.folder / "shared.txt").write_text("shared")
    job.report({"seconds": 1})


def train(job: Job) -> None:
    """Hash step after step: what is lost or done twice shows in the last hash."""
    found = job.load_checkpoint()
    step, chain = (found[0], found[2]["chain"]) if found else (0, "")
    chain = _walk(job, step, chain)
    (job.folder / "result.txt").write_text(chain)
    shared = job.folder / "inputs/shared.txt"
    read = shared.read_text() if shared.exists() else None
    job.report({"chain": chain, "beside": job.beside, "shared": read, "stopped_at": None})


def chain_of(steps: int) -> str:
    """What an undisturbed run ends with."""
    chain = ""
    for step in range(1, steps + 1):
        chain = _link(chain, step)
    return chain


def _link(chain: str, step: int) -> str:
    return hashlib.sha256(f"{chain}{step}".encode()).hexdigest()


def _walk(job: Job, step: int, chain: str) -> str:
    settings = job.settings
    every = settings.get("checkpoint_every", 5)
    while step < settings.get("steps", 0):
        stop = job.should_stop()
        if stop is not None:
            if stop == "keep":
                job.report({"chain": chain, "stopped_at": step})
            raise Cancelled(step)
        step += 1
        if step == settings.get("fail_at") and job.attempt == 1:
            _fail(settings["how"], job, step)
        chain = _link(chain, step)
        job.emit("step", step=step, loss=1 / step, lr=0.1, step_ms=1.0)
        if step % every == 0:
            job.save_checkpoint(step, {}, {"chain": chain})
        time.sleep(settings.get("dt", 0.0))
        _wait_at_gate(job, step)
    return chain


def _wait_at_gate(job: Job, step: int) -> None:
    while step == job.settings.get("gate") and job.attempt == 1:
        if (job.folder / "go").exists():
            return
        time.sleep(0.01)


def _fail(how: str, job: Job, step: int) -> None:
    errors: dict[str, Exception] = {
        "error": KeyError("a bug"),
        "user": DataError("3 of 6 pictures are too small."),
        "not_finite": NotFinite(step, 0.1),
        "memory": MemoryError(),
        "allocator": RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    }
    if how in errors:
        raise errors[how]
    if how == "crash":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "realtime":
        os.kill(os.getpid(), signal.SIGRTMIN + 6)
    if how == "exit":
        print("last words", flush=True)
        os._exit(7)
    limit = LIMIT_BYTES if how == "disk" else 0  # else not even an event can be written
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    job.save_checkpoint(step, {}, {"chain": "x" * 2 * LIMIT_BYTES})


def learn(job: Job) -> None:
    """A small model with Adam and dropout: everything random must survive a resume."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(job.settings["seed"])
    weight = torch.nn.Parameter(torch.randn(8, 8))
    optimizer = torch.optim.Adam([weight], lr=0.01)
    found = job.load_checkpoint()
    step = 0
    if found is not None:
        step, tensors, state = found
        weight.data = tensors["weight"]
        torch.set_rng_state(tensors["rng"])
        moments = {key: tensors[key] for key in ("exp_avg", "exp_avg_sq")}
        moments["step"] = torch.tensor(state["adam_step"])
        optimizer.load_state_dict(optimizer.state_dict() | {"state": {0: moments}})
    while step < job.settings["steps"]:
        step += 1
        loss = F.dropout(torch.randn(4, 8) @ weight, 0.5).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        job.emit("step", step=step, loss=loss.item())
        held: dict[str, Any] = optimizer.state[weight]
        tensors = {key: held[key] for key in ("exp_avg", "exp_avg_sq")}
        tensors |= {"weight": weight, "rng": torch.get_rng_state()}
        job.save_checkpoint(step, tensors, {"adam_step": held["step"].item()})
        _wait_at_gate(job, step)
    Path(job.folder / "weight.json").write_text(json.dumps(weight.tolist()))
    job.report({"threads": torch.get_num_threads(), "cuda": os.environ["CUDA_VISIBLE_DEVICES"]})


if __name__ == "__main__":
    names = {"prepare": prepare, "train": train, "probe": learn}
    run_as_process({kind: f"__main__:{function.__name__}" for kind, function in names.items()})
