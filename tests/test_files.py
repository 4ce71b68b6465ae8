"""Files are whole or absent, whatever call fails and whenever the writer dies."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sparse_peft import files
from sparse_peft.errors import RunError
from sparse_peft.files import Disk, DiskError, Lock

REPOSITORY = Path(__file__).parents[1]


class FailingDisk(Disk):
    """The n-th call fails with the given error number; 0 never fails. Keeps a record."""

    def __init__(self, fail_at: int = 0, code: int = errno.ENOSPC) -> None:
        self.fail_at, self.code = fail_at, code
        self.calls: list[str] = []
        self.names: dict[int, str] = {}

    def _count(self, call: str) -> None:
        self.calls.append(call)
        if len(self.calls) == self.fail_at:
            raise OSError(self.code, os.strerror(self.code))

    def open(self, path: Path, flags: int) -> int:
        self._count(f"open {path.name}")
        fd = super().open(path, flags)
        self.names[fd] = path.name
        return fd

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._count(f"write {self.names[fd]}")
        return super().write(fd, data[: max(1, len(data) // 2)])  # a write may be partial

    def fsync(self, fd: int) -> None:
        self._count(f"fsync {self.names[fd]}")
        super().fsync(fd)

    def replace(self, source: Path, target: Path) -> None:
        self._count(f"replace {source.name} {target.name}")
        super().replace(source, target)


def _fill(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        files.write_text(folder / "a.txt", text)
        (folder / "sub").mkdir()
        (folder / "sub/b.txt").write_text(text * 3)

    return fill


def _folder_text(folder: Path) -> str:
    files.verify_folder(folder)
    text = (folder / "a.txt").read_text()
    assert (folder / "sub/b.txt").read_text() == text * 3
    return text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"x": "é", "n": [1, None]})
    files.write_json(path, {"x": 2})
    assert json.loads(path.read_text()) == {"x": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_whole_with_a_manifest(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    for text in ("one", "two"):
        files.write_folder(final, _fill(text))
        assert _folder_text(final) == text
    manifest = files.read_manifest(final)
    assert set(manifest) == {"a.txt", "sub/b.txt"}
    assert manifest["a.txt"] == {"sha256": files.sha256(final / "a.txt"), "bytes": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_fill_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    files.write_folder(final, _fill("one"))

    def broken(folder: Path) -> None:
        (folder / "a.txt").write_text("half")
        raise KeyError("bug")

    with pytest.raises(KeyError):
        files.write_folder(final, broken)
    assert _folder_text(final) == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "a.txt").write_text("onE"), "a.txt is not what was written"),
        (lambda f: (f / "a.txt").write_text(""), "a.txt is not what was written"),
        (lambda f: (f / "sub/b.txt").unlink(), "sub/b.txt is missing"),
        (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_text('{"a": 1}'), "manifest.json is damaged"),
        (
            lambda f: (f / "manifest.json").write_text('{"../x": {"sha256": "", "bytes": 0}}'),
            "../x is missing",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], object], sentence: str) -> None:
    final = tmp_path / "adapter"
    files.write_folder(final, _fill("one"))
    (tmp_path / "x").write_text("")
    damage(final)
    with pytest.raises(RunError) as caught:
        files.verify_folder(final)
    assert sentence in str(caught.value)


def test_f8_a_file_is_synced_before_it_is_renamed_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = FailingDisk()
    monkeypatch.setattr(files, "disk", record)
    files.write_bytes(tmp_path / "a", b"1")
    temp = record.calls[0].split()[1]
    assert record.calls == [
        f"open {temp}",
        f"write {temp}",
        f"fsync {temp}",
        f"replace {temp} a",
        f"open {tmp_path.name}",
        f"fsync {tmp_path.name}",
    ]


def test_f8_a_folder_is_synced_manifest_last_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = FailingDisk()
    monkeypatch.setattr(files, "disk", record)
    files.write_folder(tmp_path / "adapter", _fill("one"))
    calls = [call for call in record.calls if not call.startswith(("open", "write"))]
    placed = calls.index("replace .adapter.tmp adapter")
    manifest = next(i for i, call in enumerate(calls) if call.endswith(" manifest.json"))
    for name in ("a.txt", "b.txt", "sub"):
        assert calls.index(f"fsync {name}") < manifest < placed
    assert calls[manifest + 1 :] == [
        "fsync .adapter.tmp",
        "replace .adapter.tmp adapter",
        f"fsync {tmp_path.name}",
    ]


def _write_a_file(path: Path, text: str) -> None:
    files.write_text(path, text)


def _write_a_folder(path: Path, text: str) -> None:
    files.write_folder(path, _fill(text))


def _sentence_of(write: Callable[[Path, str], None], path: Path) -> str | None:
    try:
        write(path, "new")
    except DiskError as error:
        return str(error)
    return None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(
    ("write", "read"), [(_write_a_file, Path.read_text), (_write_a_folder, _folder_text)]
)
def test_f9_whatever_call_fails_the_old_or_the_new_is_complete(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, str], None],
    read: Callable[[Path], str],
    code: int,
) -> None:
    path = tmp_path / "thing"
    for fail_at in range(1, 100):
        monkeypatch.setattr(files, "disk", Disk())
        write(path, "old")
        failing = FailingDisk(fail_at, code)
        monkeypatch.setattr(files, "disk", failing)
        said = _sentence_of(write, path)
        if said is None:
            assert len(failing.calls) < fail_at, "a failed call was reported as saved"
            assert read(path) == "new"
            break
        assert f"could not be written: {os.strerror(code)}" in said
        assert read(path) in ("old", "new")
    else:
        pytest.fail("the write never completed")
    assert fail_at > 6
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]


def test_another_error_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write_text(tmp_path / "absent/a", "x")


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    files.write_folder(final, _fill("one"))
    final.rename(tmp_path / ".adapter.old")
    with pytest.raises(ZeroDivisionError):
        files.write_folder(final, lambda _: 1 // 0)  # type: ignore[arg-type]
    assert _folder_text(final) == "one"


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    code = (
        "import itertools, pathlib, sys; from sparse_peft.files import write_json\n"
        "for n in itertools.count():\n"
        "    write_json(pathlib.Path(sys.argv[1]), {'n': n, 'text': 'x' * 200_000})\n"
    )
    for delay in (0.0, 0.01, 0.023):
        child = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=REPOSITORY)
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert len(json.loads(path.read_text())["text"]) == 200_000


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "locks/a"
    assert not Lock.held_elsewhere(path)
    with Lock(path) as first:
        assert first.acquire()
        assert Lock.held_elsewhere(path)
        assert not Lock(path).acquire()
    assert not Lock.held_elsewhere(path)
    second = Lock(path)
    assert second.acquire()
    second.release()


def _hold(path: Path, held: "multiprocessing.synchronize.Event") -> None:
    Lock(path).acquire()
    held.set()
    time.sleep(600)


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a"
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    child = context.Process(target=_hold, args=(path, held))
    child.start()
    assert held.wait(30)
    assert Lock.held_elsewhere(path)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not Lock.held_elsewhere(path)


def test_a_lock_passes_to_a_child_and_outlives_its_parents_hold(tmp_path: Path) -> None:
    path = tmp_path / "a"
    lock = Lock(path)
    assert lock.acquire()
    assert lock.fd is not None
    code = (
        "import pathlib, sys; from sparse_peft.files import Lock\n"
        "lock = Lock.inherited(pathlib.Path(sys.argv[1]), int(sys.argv[2]))\n"
        "print(lock.acquire(), flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(lock.fd)],
        pass_fds=(lock.fd,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    lock.release()
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        assert Lock.held_elsewhere(path)
        assert not Lock(path).acquire()
        assert child.stdin is not None
        child.stdin.close()
    assert Lock(path).acquire(blocking=True)
