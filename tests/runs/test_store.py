"""The store queues runs, gives each to one taker, and is made anew from the directories."""

import multiprocessing
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparse_peft import files
from sparse_peft.errors import RunError
from sparse_peft.files import Disk, Lock
from sparse_peft.runs import removal
from sparse_peft.runs.run import RunDirectory
from sparse_peft.runs.spec import ComparisonSpec, RunSpec, State
from sparse_peft.runs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as store:
        yield store


def run(name: str, *needs: str, comparison: str | None = "c1") -> RunSpec:
    return RunSpec(name, "prepare" if name == "p" else "train", "me", comparison, needs=needs)


def submit(store: Store) -> None:
    """A prepare run and two that need it."""
    store.submit(
        ComparisonSpec("c1", "me", {"noun": "dog"}), [run("p"), run("a", "p"), run("b", "p")]
    )


def states(store: Store) -> dict[str, State]:
    return {row.id: row.state for row in store.runs("c1")}


def finish(store: Store, run_id: str) -> None:
    RunDirectory.of(store.home, run_id).event_log(1).emit("finished")
    store.end(run_id, "finished")


def test_a_comparison_is_submitted_with_its_runs(store: Store) -> None:
    submit(store)
    assert states(store) == {"p": "queued", "a": "queued", "b": "queued"}
    assert store.comparison("c1").settings == {"noun": "dog"}
    assert store.comparisons() == ["c1"]
    assert store.comparisons(owner="you") == []
    assert RunDirectory.of(store.home, "a").spec.needs == ("p",)


def test_a_run_waits_until_its_needs_are_finished(store: Store) -> None:
    submit(store)
    first = store.claim("cpu-0")
    assert first is not None
    assert (first.id, first.state, first.device, first.attempts) == ("p", "running", "cpu-0", 1)
    assert store.claim("cpu-1") is None
    assert not store.claimable()
    finish(store, "p")
    assert store.claimable()
    claimed = [store.claim(f"cpu-{i}") for i in range(3)]
    assert [row.id if row else None for row in claimed] == ["a", "b", None]


def test_a_drawing_or_a_measurement_does_not_stand_behind_trainings(store: Store) -> None:
    submit(store)
    store.submit(None, [RunSpec("drawing", "generate", "me", None)])
    store.submit(None, [RunSpec("probing", "probe", "me", None)])
    claimed = [store.claim(f"cpu-{i}") for i in range(3)]
    assert [row.id if row else None for row in claimed] == ["drawing", "probing", "p"]


def test_what_waits_for_a_failed_run_fails_with_a_sentence(store: Store) -> None:
    submit(store)
    store.submit(None, [run("after", "a")])
    store.claim("cpu-0")
    store.end("p", "failed", "It broke.")
    assert set(states(store).values()) == {"failed"}
    for name in ("a", "b", "after"):
        assert store.run(name).error == "Its prepare run p failed: It broke."


def test_a_waiting_run_is_cancelled_with_what_waits_for_it(store: Store) -> None:
    submit(store)
    assert store.cancel_waiting("p")
    assert set(states(store).values()) == {"cancelled"}
    assert store.run("a").error == "Its prepare run p was cancelled."
    assert not store.cancel_waiting("p")


def test_a_running_run_is_not_cancelled_in_the_store(store: Store) -> None:
    submit(store)
    store.claim("cpu-0")
    assert not store.cancel_waiting("p")
    assert store.run("p").state == "running"


def test_an_interrupted_run_does_not_fell_what_waits_but_settles_it(store: Store) -> None:
    submit(store)
    assert not store.settled("c1")
    store.claim("cpu-0")
    assert not store.settled("c1")
    store.end("p", "interrupted", note="Its worker is gone.")
    assert states(store) == {"p": "interrupted", "a": "queued", "b": "queued"}
    assert store.settled("c1")
    store.requeue("p")
    assert not store.settled("c1")


def test_resuming_brings_back_the_run_what_it_needs_and_what_fell_with_it(store: Store) -> None:
    submit(store)
    store.claim("cpu-0")
    store.end("p", "failed", "It broke.")
    RunDirectory.of(store.home, "p").request_cancel("keep")
    store.requeue("a")
    assert set(states(store).values()) == {"queued"}
    assert store.run("a").error is None
    assert RunDirectory.of(store.home, "p").cancel_requested() is None
    again = store.claim("cpu-0")
    assert again is not None
    assert (again.id, again.attempts) == ("p", 2)


def test_what_cannot_be_resumed_is_refused_in_words(store: Store) -> None:
    submit(store)
    with pytest.raises(RunError, match="Run p is queued; there is nothing to resume"):
        store.requeue("p")
    RunDirectory.of(store.home, "p").request_cancel("discard")
    store.cancel_waiting("p")
    with pytest.raises(RunError, match="Run p was discarded and cannot be resumed"):
        store.requeue("a")
    assert set(states(store).values()) == {"cancelled"}


def test_unknown_names_get_advice(store: Store) -> None:
    submit(store)
    store.submit(None, [run("waveft-run", comparison=None)])
    with pytest.raises(RunError, match=r"no run 'wavft-run' in .*Did you mean 'waveft-run'\?"):
        store.run("wavft-run")
    with pytest.raises(RunError, match="no comparison 'c9'"):
        store.comparison("c9")
    with pytest.raises(RunError, match="no comparison 'c9'"):
        store.submit(None, [run("x", comparison="c9")])
    with pytest.raises(RunError, match="no run 'gone'"):
        store.submit(None, [run("x", "gone", comparison=None)])


def test_a_need_that_has_failed_is_refused(store: Store) -> None:
    submit(store)
    store.claim("cpu-0")
    store.end("p", "failed", "It broke.")
    with pytest.raises(RunError, match="Run x needs run p, which has failed"):
        store.submit(None, [run("x", "p")])


@pytest.mark.parametrize("fail_at", range(1, 14))
def test_f9_a_submission_that_fails_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    class Failing(Disk):
        left = fail_at

        def replace(self, source: Path, target: Path) -> None:
            self._count()
            super().replace(source, target)

        def fsync(self, fd: int) -> None:
            self._count()
            super().fsync(fd)

        def _count(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise OSError(28, "full")

    failing = Failing()
    monkeypatch.setattr(files, "disk", failing)
    if fail_at <= 12:  # 4 files: sync, rename, sync of the folder
        with pytest.raises(RunError, match="No space left"):
            submit(store)
        assert store.runs() == []
        assert not any((store.home / "runs").iterdir())
        assert not any((store.home / "comparisons").glob("*"))
    else:
        submit(store)
        assert len(store.runs()) == 3


def test_an_id_is_used_once(store: Store) -> None:
    submit(store)
    with pytest.raises(RunError, match="an id is used once"):
        store.submit(None, [run("new"), run("a")])
    with pytest.raises(RunError, match="an id is used once"):
        store.submit(ComparisonSpec("c1", "me"), [run("new")])
    assert [row.id for row in store.runs()] == ["p", "a", "b"]
    assert not (store.home / "runs/new").exists()


def _claim_all(home: Path, claimed: "multiprocessing.queues.Queue[str | None]") -> None:
    with Store(home) as store:
        while (row := store.claim("cpu-0")) is not None:
            claimed.put(row.id)
    claimed.put(None)


@pytest.mark.slow
def test_every_run_is_claimed_once_by_four_takers(store: Store) -> None:
    count = 200
    store.submit(None, [run(f"r{i:03}", comparison=None) for i in range(count)])
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.queues.Queue[str | None] = context.Queue()
    takers = [context.Process(target=_claim_all, args=(store.home, queue)) for _ in range(4)]
    for taker in takers:
        taker.start()
    got: list[str] = []
    ended = 0
    while ended < len(takers):
        one = queue.get(timeout=60)
        ended += one is None
        got += [] if one is None else [one]
    for taker in takers:
        taker.join()
    assert sorted(got) == sorted(row.id for row in store.runs())


def test_the_store_is_made_anew_from_the_directories(store: Store) -> None:
    submit(store)
    store.submit(None, [run("alone", comparison=None), run("late", "a")])
    store.claim("cpu-0")
    finish(store, "p")
    store.claim("cpu-0")
    directory = RunDirectory.of(store.home, "a")
    directory.event_log(1).emit("started", device="cpu-0")
    directory.event_log(1).emit("failed", reason="error", error="It broke.")
    store.end("a", "failed", "It broke.")
    RunDirectory.of(store.home, "b").event_log(1).emit("started", device="cpu-1")
    (store.home / "runs/half").mkdir()
    half = RunSpec("orphan", "train", "me", "never-submitted")
    RunDirectory.create(store.home, half)
    store.close()
    (store.home / "studio.db").unlink()
    with Lock(RunDirectory.of(store.home, "b").lock), Store(store.home) as anew:
        rows = {row.id: row for row in anew.runs()}
        assert set(rows) == {"p", "a", "b", "alone", "late"}
        assert (rows["p"].state, rows["a"].state, rows["a"].error) == (
            "finished",
            "failed",
            "It broke.",
        )
        assert (rows["b"].state, rows["b"].device, rows["b"].attempts) == ("running", "cpu-1", 1)
        assert rows["late"].error == "Its train run a failed: It broke."
        assert rows["alone"].state == "queued"
        assert anew.comparisons() == ["c1"]


def test_a_run_whose_need_is_gone_fails_in_a_new_store(store: Store) -> None:
    submit(store)
    store.close()
    (store.home / "studio.db").unlink()
    shutil.rmtree(store.home / "runs/p")
    with Store(store.home) as anew:
        assert anew.run("a").error == "Run p, which it needs, is gone."


def test_a_damaged_or_newer_file_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match=r"studio\.db is damaged .* Remove it"):
        Store(tmp_path)
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(RunError, match=r"studio\.db has format 9; this version reads format 1"):
        Store(tmp_path)


def _open_and_close(home: Path, together: "multiprocessing.synchronize.Barrier") -> None:
    together.wait(60)
    Store(home).close()


def test_several_processes_may_open_a_new_home_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (tmp_path / "home", context.Barrier(4))
    children = [context.Process(target=_open_and_close, args=arguments) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4


# Removing --------------------------------------------------------------------------------------


def other_comparison(store: Store) -> None:
    spec = ComparisonSpec("c2", "me")
    store.submit(spec, [RunSpec(name, "train", "me", "c2") for name in ("x", "y")])


def left(home: Path) -> list[str]:
    """What stands on the disk of comparisons and runs."""
    folders = [*(home / "comparisons").iterdir(), *(home / "runs").iterdir()]
    return sorted(path.name for path in folders)


def test_a_removed_comparison_is_gone_with_its_runs_and_nothing_else(store: Store) -> None:
    submit(store)
    store.submit(None, [RunSpec("g", "generate", "me", "c1"), run("alone", comparison=None)])
    other_comparison(store)
    store.remove("c1")
    assert store.comparisons() == ["c2"]
    assert [row.id for row in store.runs()] == ["alone", "x", "y"]
    assert left(store.home) == ["alone", "c2", "x", "y"]
    with pytest.raises(RunError, match="no comparison 'c1'"):
        store.remove("c1")
    submit(store)  # its names are free again
    assert states(store) == {"p": "queued", "a": "queued", "b": "queued"}


def test_what_only_waited_for_a_removed_run_can_be_removed_too(store: Store) -> None:
    submit(store)
    store.submit(ComparisonSpec("c2", "me"), [RunSpec("x", "train", "me", "c2", needs=("p",))])
    store.remove("c1")
    store.remove("c2")
    assert (store.runs(), left(store.home)) == ([], [])


@pytest.mark.parametrize("how", ["claimed", "worker by hand"])
def test_a_comparison_at_work_is_not_removed(store: Store, how: str) -> None:
    submit(store)
    lock = Lock(RunDirectory.of(store.home, "p").lock)
    if how == "claimed":
        store.claim("cpu-0")
    else:
        lock.acquire()
    with pytest.raises(RunError, match="Run p of this comparison is at work"):
        store.remove("c1")
    lock.release()
    assert len(store.runs("c1")) == 3
    assert left(store.home) == ["a", "b", "c1", "p"]
    assert not removal.decided(store.home)


class Crash(BaseException):
    """Stands for SIGKILL: nothing after it is done, nothing is undone by us."""


@pytest.mark.parametrize("anew", [False, True], ids=["same store", "store made anew"])
@pytest.mark.parametrize("crash_at", range(1, 9))
def test_a_crash_while_removing_leaves_all_or_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, crash_at: int, anew: bool
) -> None:
    submit(store)
    other_comparison(store)
    steps = iter(range(1, 100))

    def crashing(step: Callable[..., object]) -> Callable[..., object]:
        def doing(*arguments: object, **options: object) -> object:
            if next(steps) == crash_at:
                raise Crash
            return step(*arguments, **options)

        return doing

    with monkeypatch.context() as patch:
        patch.setattr(removal, "decide", crashing(removal.decide))  # 1
        patch.setattr(removal, "forget", crashing(removal.forget))  # 2
        patch.setattr(removal, "clear", crashing(removal.clear))  # 3
        patch.setattr(shutil, "rmtree", crashing(shutil.rmtree))  # 4 to 7: c1, p, a, b
        if crash_at < 8:
            with pytest.raises(Crash):
                store.remove("c1")
        else:
            store.remove("c1")
    store.close()
    if anew:
        (store.home / "studio.db").unlink()
    with Store(store.home) as opened:
        whole = crash_at == 1  # before it was decided
        assert opened.comparisons() == (["c1", "c2"] if whole else ["c2"])
        runs = ["p", "a", "b"] if whole else []
        assert sorted(row.id for row in opened.runs()) == sorted([*runs, "x", "y"])
        assert left(opened.home) == sorted([*(["c1"] if whole else []), *runs, "c2", "x", "y"])
        assert not removal.decided(opened.home)


def test_a_removal_that_was_cut_short_waits_for_a_worker_that_began_since(store: Store) -> None:
    submit(store)
    removal.decide(store.home, "c1", ["p", "a", "b"])
    with Lock(RunDirectory.of(store.home, "p").lock), Store(store.home) as opened:
        assert len(opened.runs()) == 3
    with Store(store.home) as opened:
        assert opened.runs() == []
    assert left(store.home) == []


def test_a_full_disk_keeps_a_comparison_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(store)

    class Full(Disk):
        def write(self, *_: object) -> int:
            raise OSError(28, "full")

    with monkeypatch.context() as patch:
        patch.setattr(files, "disk", Full())
        with pytest.raises(RunError, match="No space left"):
            store.remove("c1")
    assert len(store.runs("c1")) == 3
    with Store(store.home) as opened:
        assert len(opened.runs("c1")) == 3
