"""One run at a time, whatever the system calls its locks, and a note where it has none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pixal3d_scene.errors import OutputError
from pixal3d_scene.folder_lock import LOCK_FILE, lock_folder
from pixal3d_scene.peak_memory import peak_memory_bytes
from pixal3d_scene.run_folder import MANIFEST, RunFolder

ROOT = Path(__file__).resolve().parents[1]


class WindowsLocks:
    """`msvcrt.locking` as Windows has it: the first byte of a file, for one handle."""

    LK_UNLCK, LK_NBLCK = 0, 2

    def __init__(self, refusal: int = errno.EACCES) -> None:
        self.refusal = refusal
        self.locked: dict[tuple[int, int], int] = {}

    def locking(self, handle: int, mode: int, bytes_: int) -> None:
        assert bytes_ == 1
        facts = os.fstat(handle)
        file = (facts.st_dev, facts.st_ino)
        if mode == self.LK_UNLCK:
            assert self.locked.pop(file) == handle
        elif file in self.locked or self.refusal != errno.EACCES:
            raise OSError(self.refusal, os.strerror(self.refusal))
        else:
            self.locked[file] = handle


@pytest.fixture(params=["unix", "windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "windows":
        monkeypatch.setitem(sys.modules, "fcntl", None)  # the import fails
        monkeypatch.setitem(sys.modules, "msvcrt", WindowsLocks())
    return str(request.param)


def test_a_folder_is_for_one_alone(system: str, tmp_path: Path) -> None:
    let_go = lock_folder(tmp_path)
    assert let_go is not None
    with pytest.raises(BlockingIOError):
        lock_folder(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ([LOCK_FILE] if system == "windows" else [])
    let_go()
    assert list(tmp_path.iterdir()) == []
    again = lock_folder(tmp_path)
    assert again is not None
    again()


@pytest.mark.usefixtures("system")
def test_a_run_folder_is_for_one_run_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        assert folder.has_lock
        with pytest.raises(OutputError, match="Another run is writing to"), RunFolder(tmp_path / "run").locked():
            pass
    assert not (tmp_path / "run").exists()  # nothing was written, nor is the lock left
    with folder.locked():
        folder.finish("segment", "key", [], seconds=0.0)
    assert [p.name for p in (tmp_path / "run").iterdir()] == [MANIFEST]


@pytest.mark.parametrize("msvcrt", [None, WindowsLocks(refusal=errno.ENOSYS)], ids=["no module", "no locks"])
def test_without_locks_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, msvcrt: WindowsLocks | None
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    folder = RunFolder(tmp_path)
    with folder.locked():
        assert not folder.has_lock
        folder.finish("segment", "key", [], seconds=0.0)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setitem(sys.modules, "fcntl", SimpleNamespace(flock=refuse, LOCK_EX=2, LOCK_NB=4))
    assert lock_folder(tmp_path) is None


def test_peak_memory_is_unknown_where_nothing_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (peak_memory_bytes() or 0) > 1_000_000
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory_bytes() is None
    folder = RunFolder(tmp_path)
    folder.finish("segment", "key", [], seconds=0.0)
    assert RunFolder(tmp_path).manifest["stages"]["segment"]["peak_memory_bytes"] is None


def test_a_whole_run_needs_nothing_that_only_unix_has(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules.update(fcntl=None, resource=None); "
        f"sys.path.insert(0, {str(ROOT)!r}); import cli; cli.main()"
    )
    (tmp_path / "box.toml").write_text('[generate]\ngenerator = "box"\n')
    room = ROOT / "examples" / "room"
    command = [
        "run", room / "photo.jpg", "-o", tmp_path / "run", "--masks", room / "instances.png", "--depth",
        room / "depth.png", "--camera", room / "camera.json", "--quality", "draft", "--config", tmp_path / "box.toml",
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"note: {tmp_path / 'run'} cannot be locked here: start no second run into it" in done.stderr
