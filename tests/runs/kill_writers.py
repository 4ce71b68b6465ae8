"""Kill writers of checkpoints at random moments and load what they left: DIR COUNT. A script.

It forks, so that torch is imported once and not a hundred times.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from sparse_peft.runs import checkpoint


def save(folder: Path, step: int) -> None:
    checkpoint.save(folder, step, {"weight": torch.full((3,), float(step))}, {"seen": step})


def write_until_killed(folder: Path, step: int, said: int) -> None:
    while True:
        step += 1
        save(folder, step)
        os.write(said, step.to_bytes(8, "big"))


def main(folder: Path, count: int) -> int:
    """The last step that a writer said it had saved."""
    generator = random.Random(7)
    started = time.monotonic()
    for step in range(1, 6):
        save(folder, step)
    save_seconds = (time.monotonic() - started) / 5
    saved = 5
    for _ in range(count):
        hear, said = os.pipe()
        child = os.fork()
        if child == 0:
            write_until_killed(folder, saved, said)
        os.close(said)
        time.sleep(generator.uniform(0, 3 * save_seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while heard := os.read(hear, 8):
            saved = int.from_bytes(heard, "big")
        os.close(hear)
        found, notes = checkpoint.newest_good(folder)
        assert notes == []
        assert found is not None
        step, tensors, state = found
        assert step in (saved, saved + 1), f"{step} was loaded, {saved} had been saved"
        assert tensors["weight"].tolist() == [float(step)] * 3
        assert state == {"seen": step}
        saved = step
    return saved


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
