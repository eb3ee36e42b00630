"""The layout of a pipeline folder: what is read, in which order places are tried, and what is refused."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_pipeline import NETWORKS_OF_ROLES, pipeline_args

from pixal3d_scene.conditioning.conditioner import STAGE_VIEWS
from pixal3d_scene.errors import BackendMissing, InputError
from pixal3d_scene.generator import pipeline_file as module
from pixal3d_scene.generator.pipeline_file import (
    ROLES,
    find_checkpoint,
    find_image_encoder,
    find_upsampler,
    read_pipeline,
)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "pipeline"))


def rewrite(folder: Path, **changes: object) -> None:
    """pipeline.json with other args; None removes a key."""
    args = {key: value for key, value in (pipeline_args() | changes).items() if value is not None}
    (folder / "pipeline.json").write_text(json.dumps({"name": "Other", "args": args}))


def pair(stem: Path) -> Path:
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".safetensors"):
        stem.with_name(stem.name + suffix).write_text("")
    return stem


def hub_file(cache: Path, hub_id: str, commit: str, file: str) -> Path:
    path = cache / f"models--{hub_id.replace('/', '--')}" / "snapshots" / commit / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_everything_of_the_file_is_read(tiny_folder: Path) -> None:
    pipeline = read_pipeline(tiny_folder)
    assert set(pipeline.checkpoints) == set(ROLES) == set(NETWORKS_OF_ROLES)  # other roles are not looked for
    for role, (stem, _, _) in NETWORKS_OF_ROLES.items():
        assert pipeline.checkpoints[role].weights == tiny_folder / f"{stem}.safetensors"
        assert pipeline.checkpoints[role].config == tiny_folder / f"{stem}.json"
    assert pipeline.samplers["texture"]["params"]["guidance_interval"] == [0.6, 0.9]
    assert pipeline.shape_normalisation.mean[2] == pytest.approx(0.2)
    assert pipeline.texture_normalisation.std[2] == pytest.approx(1.2)
    assert pipeline.stage_views is not None
    assert pipeline.stage_views["structure"] == (64, None)


def test_several_views_have_a_file_of_their_own(folder: Path) -> None:
    with pytest.raises(BackendMissing, match=r"no pipeline_mv\.json"):
        read_pipeline(folder, multi_view=True)
    (folder / "pipeline.json").rename(folder / "pipeline_mv.json")
    assert read_pipeline(folder, multi_view=True).path.name == "pipeline_mv.json"
    with pytest.raises(BackendMissing, match=r"no pipeline\.json"):
        read_pipeline(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": None}, r"no args\.models"),
        ({"models": {}}, r"no checkpoint for sparse_structure_flow_model, "),
        ({"shape_slat_normalization": None}, "no usable shape_slat_normalization"),
        ({"tex_slat_normalization": {"mean": [0], "std": [0]}}, "every std above 0"),
        ({"tex_slat_normalization": {"mean": [0], "std": [1, 1]}}, "as many mean as std"),
        ({"stage_views": {"structure": [64, None]}}, "stage_views needs .* for structure, shape_512"),
        ({"stage_views": {stage: [64] for stage in STAGE_VIEWS}}, "stage_views needs"),
        ({"stage_views": {stage: [64, "x"] for stage in STAGE_VIEWS}}, "stage_views needs"),
    ],
)
def test_incomplete_files_are_named(folder: Path, changes: dict, message: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(InputError, match=message):
        read_pipeline(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_files_that_are_no_json_are_named(folder: Path, text: str) -> None:
    (folder / "pipeline.json").write_text(text)
    with pytest.raises(InputError, match=r"pipeline\.json"):
        read_pipeline(folder)


def test_missing_checkpoints_name_both_files_and_the_remedy(folder: Path) -> None:
    (folder / "ckpts/ss_dec.safetensors").unlink()
    with pytest.raises(BackendMissing, match=r"ss_dec\.json and .*ss_dec\.safetensors.*models fetch"):
        read_pipeline(folder)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".pkl"])
def test_pickles_are_refused(folder: Path, suffix: str) -> None:
    (folder / "ckpts/ss_dec.safetensors").rename(folder / f"ckpts/ss_dec{suffix}")
    with pytest.raises(InputError, match=r"is a pickle.*never opened.*docs/weights\.md"):
        read_pipeline(folder)


def test_no_module_of_the_generator_can_unpickle() -> None:
    root = Path(module.__file__).parents[1]
    for file in [*root.joinpath("generator").rglob("*.py"), *root.joinpath("weights").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in (("torch", "load"), ("pickle", "load")), file


def test_stems_are_relative_first_then_their_own_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    stem = "owner/repository/ckpts/ss_dec.v1"  # a stem may have a dot
    with pytest.raises(BackendMissing, match="not complete"):
        find_checkpoint(tmp_path / "pipeline", stem)
    for suffix in (".json", ".safetensors"):
        hub_file(cache, "owner/repository", "a" * 40, f"ckpts/ss_dec.v1{suffix}")
    assert str(find_checkpoint(tmp_path / "pipeline", stem).weights).startswith(str(cache))
    local = pair(tmp_path / stem)
    assert find_checkpoint(tmp_path / "pipeline", stem).weights.resolve() == Path(f"{local}.safetensors")
    relative = pair(tmp_path / "pipeline" / stem)
    assert find_checkpoint(tmp_path / "pipeline", stem).weights == Path(f"{relative}.safetensors")


def test_half_a_checkpoint_is_none(tmp_path: Path) -> None:
    pair(tmp_path / "pipeline/net")
    (tmp_path / "pipeline/net.json").unlink()
    with pytest.raises(BackendMissing, match="both needed"):
        find_checkpoint(tmp_path / "pipeline", "net")


def test_digest_changes_with_either_file(folder: Path) -> None:
    stem = folder / "ckpts/ss_dec"
    before = find_checkpoint(folder, "ckpts/ss_dec").digest
    config, weights = (stem.with_name("ss_dec" + suffix) for suffix in (".json", ".safetensors"))
    config.write_text(config.read_text() + " ")
    other_config = find_checkpoint(folder, "ckpts/ss_dec").digest
    weights.write_bytes(weights.read_bytes() + b" ")
    assert len({before, other_config, find_checkpoint(folder, "ckpts/ss_dec").digest}) == 3


def test_image_encoder_lies_beside_the_pipeline_or_where_it_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert find_image_encoder(folder, None).path == folder / "dinov3"
    (folder / "dinov3").rename(tmp_path / "elsewhere")
    assert find_image_encoder(folder, str(tmp_path / "elsewhere")).path == tmp_path / "elsewhere"
    with pytest.raises(BackendMissing, match="models fetch dinov3"):
        find_image_encoder(folder, None)
    (tmp_path / "elsewhere/model.safetensors").unlink()
    with pytest.raises(BackendMissing, match=r"has no model\.safetensors"):
        find_image_encoder(folder, str(tmp_path / "elsewhere"))


def test_upsampler_is_never_the_published_pickle(folder: Path) -> None:
    assert find_upsampler(folder, None).config == folder / "naf.json"
    (folder / "naf.safetensors").rename(folder / "naf.pth")
    with pytest.raises(InputError, match="is a pickle"):
        find_upsampler(folder, None)
    (folder / "naf.pth").unlink()
    with pytest.raises(BackendMissing, match=r"docs/weights\.md"):
        find_upsampler(folder, None)


def test_reading_loads_no_torch(tiny_folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pixal3d_scene.settings import Pixal3DSettings;"
        "from pixal3d_scene.generator.pixal3d import Pixal3D;"
        f"g = Pixal3D(Pixal3DSettings(weights={str(tiny_folder)!r}), device='auto');"
        "print(g.revision, *[m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(module.__file__).parents[2],
        timeout=60,
    )
    assert len(result.stdout.split()) == 1
