"""The folder of the small object networks: what is read, and what is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_object_networks import CUBE_OVER_CROP, OBJECT_NETWORKS, PICTURE_PX, RESOLUTION, write_object_pipeline

from pixal3d_scene.errors import BackendMissing, InputError
from pixal3d_scene.generator.own_cascade import load_networks
from pixal3d_scene.generator.own_pipeline import OWN_ROLES, read_own_pipeline
from pixal3d_scene.generator.pipeline_file import ROLES, read_pipeline


@pytest.fixture
def folder(object_networks: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(object_networks, tmp_path / "objects"))


def test_everything_of_the_file_is_read(object_networks: Path) -> None:
    pipeline = read_own_pipeline(object_networks)
    assert set(OWN_ROLES) < set(ROLES)
    assert set(pipeline.checkpoints) == {*OWN_ROLES, "view_encoder"}
    for role, (stem, _, _) in OBJECT_NETWORKS.items():
        assert pipeline.checkpoints[role].weights == object_networks / f"{stem}.safetensors"
    assert (pipeline.cube_over_crop, pipeline.picture_px, pipeline.resolution) == (
        CUBE_OVER_CROP,
        PICTURE_PX,
        RESOLUTION,
    )
    networks = load_networks(pipeline, steps=3, guidance=2.0)
    assert networks.token_grid == 16
    for sampler in networks.samplers.values():
        assert (sampler.steps, sampler.guidance_strength, sampler.rescale_t) == (3, 2.0, 3.0)
    own = load_networks(pipeline).samplers["shape"]
    assert (own.steps, own.guidance_strength) == (5, 1.5)
    stored = load_file(object_networks / "shape_flow.safetensors")
    for name, tensor in networks.shape_flow.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, stored[name].float())


def test_it_is_no_folder_of_the_published_cascade(object_networks: Path, tiny_folder: Path) -> None:
    with pytest.raises(InputError, match="names no checkpoint for shape_slat_flow_model_1024"):
        read_pipeline(object_networks)
    with pytest.raises(InputError, match="names no view_encoder"):
        read_own_pipeline(tiny_folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view_encoder": None}, "names no view_encoder"),
        (
            {"models": {"sparse_structure_decoder": "structure_decoder"}},
            "no checkpoint for sparse_structure_flow",
        ),
        ({"cube_over_crop": 0}, "needs cube_over_crop, a number above 0"),
        ({"cube_over_crop": True}, "needs cube_over_crop"),
        ({"picture_px": 100}, "needs picture_px, a multiple of 32"),
        ({"resolution": 60}, "needs resolution, a multiple of 8"),
        ({"resolution": None}, "needs resolution, a multiple of 8 up to 1024, and has None"),
        ({"tex_slat_normalization": {"mean": [0.0], "std": [0.0]}}, "every std above 0"),
    ],
)
def test_a_bad_file_is_refused(folder: Path, changes: dict, message: str) -> None:
    write_object_pipeline(folder, **changes)
    with pytest.raises(InputError, match=message):
        read_own_pipeline(folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "view_encoder.safetensors").unlink()
    with pytest.raises(BackendMissing, match=r"view_encoder is not complete"):
        read_own_pipeline(folder)
    (folder / "pipeline.json").unlink()
    with pytest.raises(BackendMissing, match=r"no pipeline\.json"):
        read_own_pipeline(folder)


def test_a_tensor_too_few_or_too_many_is_refused(folder: Path) -> None:
    path = folder / "shape_flow.safetensors"
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if k != "out_layer.bias"}, path)
    with pytest.raises(InputError, match=r"1 missing: out_layer\.bias"):
        load_networks(read_own_pipeline(folder), steps=1)
    save_file({**tensors, "more": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="1 unexpected: more"):
        load_networks(read_own_pipeline(folder), steps=1)


def test_networks_in_each_others_place_are_refused(folder: Path) -> None:
    write_object_pipeline(folder, view_encoder="structure_decoder")
    with pytest.raises(InputError, match="describes a StructureDecoder, which is no view_encoder"):
        load_networks(read_own_pipeline(folder), steps=1)
    for suffix in (".json", ".safetensors"):
        shutil.copy(folder / f"shape_flow{suffix}", folder / f"material_flow{suffix}")
    write_object_pipeline(folder)
    with pytest.raises(InputError, match=r"the texture flow and its decoder do not fit each other \(6 and 5 ch"):
        load_networks(read_own_pipeline(folder), steps=1)


def test_the_digest_follows_the_content(folder: Path) -> None:
    before = read_own_pipeline(folder).digest
    facts = json.loads((folder / "pipeline.json").read_text())
    (folder / "pipeline.json").write_text(json.dumps(facts, indent=1))
    assert read_own_pipeline(folder).digest != before
