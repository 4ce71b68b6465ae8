"""The run directory tells what happened, whoever died."""

from pathlib import Path

import pytest

from sparse_peft import files
from sparse_peft.errors import RunError
from sparse_peft.files import Disk, Lock
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import RunSpec


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, RunSpec("r1", "train", "me", None, {"steps": 3}))


def test_a_directory_holds_its_spec_and_is_never_taken_over(directory: RunDirectory) -> None:
    again = RunDirectory.of(directory.home, "r1")
    assert again.spec == directory.spec
    with pytest.raises(FileExistsError):
        RunDirectory.create(directory.home, directory.spec)


def test_a_directory_that_cannot_be_written_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Disk):
        def fsync(self, fd: int) -> None:
            raise OSError(28, f"file {fd} finds no room")

    monkeypatch.setattr(files, "disk", Full())
    with pytest.raises(RunError, match="No space left"):
        RunDirectory.create(tmp_path, RunSpec("r1", "train", "me", None))
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_outcome_follows_from_lock_events_and_cancel_file(directory: RunDirectory) -> None:
    def state() -> str:
        return directory.outcome().state

    assert state() == "queued"
    log = directory.event_log(1)
    log.emit("started", device="cpu-1")
    with Lock(directory.lock):
        assert state() == "running"
        assert directory.outcome().device == "cpu-1"
    assert state() == "interrupted"
    directory.request_cancel("keep")
    assert (state(), directory.outcome().told) == ("cancelled", False)
    directory.withdraw_cancel()
    log.emit("failed", reason="error", error="It broke.")
    assert (state(), directory.outcome().error, directory.outcome().told) == (
        "failed",
        "It broke.",
        True,
    )
    directory.event_log(2).emit("started", device="cpu-0")
    assert (state(), directory.outcome().attempt) == ("interrupted", 2)
    directory.event_log(2).emit("finished")
    assert state() == "finished"


def test_a_wish_to_stop_is_read_renewed_and_withdrawn(directory: RunDirectory) -> None:
    assert directory.cancel_requested() is None
    directory.request_cancel("keep")
    assert directory.cancel_requested() == "keep"
    directory.request_cancel("discard")
    assert directory.cancel_requested() == "discard"
    directory.withdraw_cancel()
    directory.withdraw_cancel()
    assert directory.cancel_requested() is None
    (directory.path / "cancel").write_text("what?")
    assert directory.cancel_requested() == "keep", "in doubt nothing is thrown away"


def _make_results(directory: RunDirectory) -> None:
    directory.event_log(1).emit("started")
    directory.inputs.mkdir()
    (directory.inputs / "a.png").write_text("in")
    directory.save_checkpoint(5, {}, {"seen": 5})
    files.write_folder(directory.adapter, lambda folder: files.write_text(folder / "w", "out"))
    directory.log.write_text("log")
    directory.write_report({"seconds": 1})
    directory.seal()


def test_the_manifest_lists_the_outputs_alone(directory: RunDirectory) -> None:
    assert directory.report() is None
    _make_results(directory)
    assert set(directory.outputs()) == {"report.json", "adapter/w", "adapter/manifest.json"}
    assert directory.report() == {"seconds": 1}
    files.verify_folder(directory.path)


def test_discarding_keeps_what_was_asked_for_and_what_happened(directory: RunDirectory) -> None:
    _make_results(directory)
    directory.discard()
    left = {path.name for path in directory.path.iterdir()}
    assert left == {"run.json", "events.jsonl", "log.txt", "inputs"}
    assert directory.load_checkpoint() == (None, [])


class _Order(Disk):
    """Writes down which file is synced and renamed, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.paths: dict[int, str] = {}

    def open(self, path: Path, flags: int) -> int:
        fd = super().open(path, flags)
        self.paths[fd] = str(path)
        return fd

    def fsync(self, fd: int) -> None:
        self.calls.append(("fsync", self.paths[fd]))
        super().fsync(fd)

    def replace(self, source: Path, target: Path) -> None:
        self.calls.append(("replace", str(source)))
        self.calls.append(("into", str(target)))
        super().replace(source, target)


def test_f8_every_artefact_is_synced_renamed_and_its_folder_synced(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = _Order()
    monkeypatch.setattr(files, "disk", order)
    RunDirectory.create(directory.home, RunSpec("r2", "train", "me", None))
    directory.request_cancel("keep")
    _make_results(directory)
    placed = [place for call, place in order.calls if call == "into"]
    names = ("run.json", "cancel", "step-00000005", "adapter", "report.json", "manifest.json")
    assert {Path(place).name for place in placed} >= set(names)
    for index, (call, place) in enumerate(order.calls):
        if call == "replace":
            assert ("fsync", place) in order.calls[:index]
            into = order.calls[index + 1][1]
            assert order.calls[index + 2] == ("fsync", str(Path(into).parent))
