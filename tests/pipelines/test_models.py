"""Weights as a user meets them: listed, fetched, checked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_cache import COMMIT, add_to_cache
from tiny_pipeline import NETWORKS_OF_ROLES, write_tiny_pipeline

from pipelines import models
from pixal3d_scene.errors import BackendMissing, InputError
from pixal3d_scene.weights.own import FOLDER, OWN
from pixal3d_scene.weights.registry import REGISTRY, published


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pipeline(tmp_path_factory.mktemp("pipeline") / "tiny")


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "own"))
    return tmp_path / "hub"


def states(checks: list[models.FileCheck]) -> dict[str, str]:
    return {c.name: c.state for c in checks}


def test_list_tells_what_is_here(hub: Path, tmp_path: Path) -> None:
    before = {status.name: status for status in models.list_weights()}
    assert set(before) == {*OWN, *REGISTRY}
    assert [name for name, status in before.items() if status.present] == list(OWN)
    assert set(OWN) == {"front_end", "extents", "hidden_sides", "reliefs"}
    assert before["front_end"].size_bytes == (FOLDER / "front_end.safetensors").stat().st_size
    weights = published("dinov3")
    add_to_cache(hub, str(weights.hub_id), "config.json")
    half = next(s for s in models.list_weights() if s.name == "dinov3")
    assert (half.present, half.files_missing) == (False, ("model.safetensors",))
    add_to_cache(hub, str(weights.hub_id), "model.safetensors", b"x")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/naf.safetensors").touch()
    after = {status.name: status for status in models.list_weights()}
    assert [name for name, status in after.items() if status.present] == [*OWN, "dinov3", "naf"]
    assert after["dinov3"].revision == COMMIT
    json.dumps([status.facts() for status in after.values()])
    assert all(len(status.row()) == len(models.LIST_HEADER) for status in after.values())
    assert after["pixal3d"].row()[1] == "24.1 GB"


def test_list_loads_no_torch_and_asks_no_network() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket.connect = refuse\n"
        "from pipelines.models import list_weights; list_weights()\n"
        "print(*[m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(models.__file__).parents[1],
    )
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr


def test_fetch_refuses_wrong_names_before_the_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "fetch_weights", None)
    with pytest.raises(InputError, match="'dino'"):
        models.fetch(["dinov3", "dino"], revision=COMMIT)


def test_fetch_passes_the_commit_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "fetch_weights", lambda weights, revision: [tmp_path / weights.name / revision])
    assert models.fetch(["dinov3"], revision=COMMIT) == {"dinov3": [tmp_path / "dinov3" / COMMIT]}


def test_check_of_a_whole_pipeline(tiny: Path) -> None:
    checks = models.check(str(tiny))
    assert states(checks) == dict.fromkeys([*NETWORKS_OF_ROLES, "dinov3", "naf"], "ok")
    assert all(len(c.sha256) == 64 for c in checks)
    assert all(len(c.row()) == len(models.CHECK_HEADER) for c in checks)


def test_check_names_what_is_missing_or_wrong(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "copy"))
    (folder / "ckpts/ss_dec.safetensors").unlink()
    shutil.copy(folder / "ckpts/tex_1024.json", folder / "ckpts/shape_512.json")
    (folder / "naf.safetensors").write_bytes(b"")
    checks = {c.name: c for c in models.check(str(folder))}
    bad = {name: c.state for name, c in checks.items() if c.state != "ok"}
    assert bad == {"sparse_structure_decoder": "missing", "shape_slat_flow_model_512": "wrong", "naf": "wrong"}
    assert "input_layer.weight" in checks["shape_slat_flow_model_512"].remark


def test_check_sees_bytes_that_were_not_published(tiny: Path, hub: Path) -> None:
    hub_id = str(published("pixal3d").hub_id)
    for file in sorted(tiny.rglob("*")):
        if file.is_file():
            add_to_cache(hub, hub_id, str(file.relative_to(tiny)), file.read_bytes())
    assert set(states(models.check("pixal3d")).values()) == {"ok"}
    blob = (hub / "models--TencentARC--Pixal3D/snapshots" / COMMIT / "ckpts/ss_dec.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    damaged = [c for c in models.check(hub_id) if c.state != "ok"]
    assert [(c.name, c.state) for c in damaged] == [("sparse_structure_decoder", "damaged")]
    assert f"published {blob.name}" in damaged[0].remark


def test_check_of_single_parts(tiny: Path, hub: Path, tmp_path: Path) -> None:
    assert states(models.check(str(tiny / "dinov3"))) == {"dinov3": "ok"}
    assert states(models.check("naf")) == {"naf": "missing"}
    (tmp_path / "own").mkdir()
    for suffix in (".json", ".safetensors"):
        shutil.copy(tiny / f"naf{suffix}", tmp_path / f"own/naf{suffix}")
    assert states(models.check("naf")) == {"naf": "ok"}


def test_check_of_nothing_names_the_command() -> None:
    with pytest.raises(BackendMissing, match="models fetch pixal3d"):
        models.check("pixal3d")


@pytest.mark.parametrize("name", list(OWN))
def test_the_packages_own_weights_are_checked_and_not_fetched(name: str) -> None:
    (found,) = models.check(name)
    assert (found.name, found.state, len(found.sha256)) == (name, "ok", 64)
    with pytest.raises(InputError, match=f"{name} is part of the package: there is nothing to fetch"):
        models.fetch([name])


def test_check_of_what_cannot_be_weights_names_the_choices(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    for reference in ("nope", str(tmp_path / "photo.jpg")):
        with pytest.raises(InputError, match=r"no folder, no hub id \(OWNER/NAME\) and no name; .*front_end.*sam2"):
            models.check(reference)
