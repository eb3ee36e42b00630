"""The run folder: all files or none, and keys that decide what is made again."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from pixal3d_scene.errors import InputError, OutputError
from pixal3d_scene.run_folder import MANIFEST, RunFolder


def test_nothing_is_created_before_the_first_write(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write({"a.txt": b"old", "sub/b.txt": b"old"})
    # A file where a folder is needed makes the second of the two fail, for root as well.
    (tmp_path / "run" / "blocked").write_bytes(b"")
    with pytest.raises(OutputError, match="run"):
        folder.write({"a.txt": b"new", "blocked/c.txt": b"new"})
    assert (tmp_path / "run" / "a.txt").read_bytes() == b"old"
    leftovers = [p.name for p in (tmp_path / "run").rglob(".*")]
    assert leftovers == []


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file"):
        RunFolder(tmp_path / "run")


def test_a_stage_counts_only_with_its_key_and_its_files(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write({"x.bin": b"1"})
    folder.finish("segment", "key", ["x.bin"], seconds=0.5)
    again = RunFolder(tmp_path)
    assert again.has("segment", "key")
    assert not again.has("segment", "other")
    (tmp_path / "x.bin").unlink()
    assert not RunFolder(tmp_path).has("segment", "key")


def test_an_earlier_stage_forgets_the_later_ones(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write({"x.bin": b"1"})
    for stage in ("segment", "depth", "generate"):
        folder.finish(stage, "key", ["x.bin"], seconds=0.0)
    folder.finish("depth", "new", ["x.bin"], seconds=0.0)
    kept = RunFolder(tmp_path)
    assert kept.has("segment", "key")
    assert kept.has("depth", "new")
    assert not kept.has("generate", "key")


def test_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="segment, depth"):
        RunFolder(tmp_path).forget("segmnet")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema": 99, "stages": {}}', '{"schema": 1, "stages": []}', '{"schema": 1, "stages": {}}'],
)
def test_a_damaged_manifest_is_a_fresh_start(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    assert RunFolder(tmp_path).manifest["stages"] == {}


def test_only_files_of_earlier_runs_are_removed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "mine.txt").write_text("the user's own")
    folder.write({"objects/old.glb": b"1", "scene.glb": b"1"})
    folder.remove_stale(["objects/old.glb", "scene.glb"])
    folder.remove_stale(["scene.glb"])
    assert not (tmp_path / "objects" / "old.glb").exists()
    assert (tmp_path / "mine.txt").exists()
    assert (tmp_path / "scene.glb").exists()


def test_manifest_is_readable_json(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.finish("segment", "key", [], seconds=1.23456)
    facts = json.loads((tmp_path / MANIFEST).read_text())
    assert facts["schema"] == 1
    assert facts["stages"]["segment"]["seconds"] == 1.235
    assert facts["stages"]["segment"]["peak_memory_bytes"] > 1_000_000


def test_a_folder_in_the_way_of_a_file_changes_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write({"a.txt": b"old"})
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(OutputError, match=r"b\.txt"):
        folder.write({"a.txt": b"new", "b.txt": b"new"})
    assert (tmp_path / "a.txt").read_bytes() == b"old"


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    second = RunFolder(tmp_path).locked()
    with RunFolder(tmp_path).locked(), pytest.raises(OutputError, match="Another run"):
        second.__enter__()
    with RunFolder(tmp_path).locked():
        pass


def test_the_lock_sees_what_another_run_wrote_meanwhile(tmp_path: Path) -> None:
    late = RunFolder(tmp_path)
    RunFolder(tmp_path).finish("segment", "key", [], seconds=0.0)
    with late.locked():
        assert late.has("segment", "key")


def test_a_run_that_writes_nothing_leaves_no_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run").locked():
        pass
    assert not (tmp_path / "run").exists()


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "depth.png").write_bytes(b"the user's own")
    with pytest.raises(InputError, match=r"depth\.png"), RunFolder(tmp_path).locked():
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["depth.png"]


def test_left_overs_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / ".sofa_01.glb.abc.partial").write_bytes(b"half")
    (tmp_path / ".mine").write_bytes(b"the user's own")
    with RunFolder(tmp_path).locked():
        pass
    assert [p.name for p in tmp_path.rglob(".*")] == [".mine"]


@pytest.mark.parametrize("name", ["../victim.txt", "{absolute}"])
def test_a_foreign_manifest_deletes_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    run = tmp_path / "run"
    run.mkdir()
    listed = name.format(absolute=victim)
    (run / MANIFEST).write_text(json.dumps({"schema": 1, "stages": {}, "files": [listed]}))
    RunFolder(run).remove_stale(["scene.glb"])
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_that_may_not_be_written_is_told_before_any_stage(mode: int) -> None:
    with tempfile.TemporaryDirectory() as folder:  # not below pytest's own, which others may not even look into
        os.chmod(folder, 0o755)
        closed = Path(folder) / "closed"
        closed.mkdir()
        closed.chmod(mode)
        told = [_as_somebody_else(closed), _as_somebody_else(closed / "run")]
        assert all(text.startswith("OutputError: Writing to ") and "Permission denied" in text for text in told), told
        closed.chmod(0o755)
        assert list(closed.iterdir()) == []


def _as_somebody_else(path: Path) -> str:
    """What a user without rights is told who opens a run folder there."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            with RunFolder(path).locked():
                told = "nothing"
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read().decode()
