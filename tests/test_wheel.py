"""The wheel works on its own: the command, the presets, the example room and the report's template are in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from room_on_disk import write_room_on_disk

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an environment that has the wheel, and this one's dependencies but not its checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    # A path line in a .pth adds the folder but does not read its own .pth files: the editable checkout stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run_in(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run([*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True)


def test_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if ".dist-info" not in n}
    commands = {"cli.py", "cli_exit.py", "cli_models.py", "cli_output.py", "cli_settings.py"}
    assert tops == {*commands, "configs", "examples", "pipelines", "pixal3d_scene"}
    assert {"pixal3d_scene/py.typed", "configs/embedded.toml", "examples/room/photo.jpg"} <= set(names)
    assert any(n.endswith("LICENSE") for n in names)
    assert not any("tests" in n or n.endswith(".pyc") for n in names)


def test_installed_command_reconstructs_a_room(installed: Path, tmp_path: Path) -> None:
    where = run_in(
        tmp_path, installed / "python", "-c", "import cli, configs, pipelines.evaluate as e; print(e.__file__)"
    )
    assert where.returncode == 0, where.stderr
    assert str(installed.parent) in where.stdout
    assert str(ROOT) not in where.stdout.replace(str(installed.parent), "")
    (tmp_path / "room").mkdir()
    room = write_room_on_disk(tmp_path / "room")
    command = (installed / "pixal3d-scene", "run", room.photo, "-o", "out", *room.given)
    done = run_in(tmp_path, *command, "--quality", "draft", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["objects"]) == 3
    assert (tmp_path / "out" / "report.html").is_file()
    demo = run_in(tmp_path, installed / "pixal3d-scene", "demo", "-o", "demo-run")
    assert demo.returncode == 0, demo.stderr
    assert (tmp_path / "demo-run" / "scene.glb").is_file()
