"""Strict loading: every way in which a checkpoint can be wrong ends in an error that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pixal3d_scene.autoencoder.official import AUTOENCODERS
from pixal3d_scene.errors import InputError
from pixal3d_scene.generator import checkpoint as module
from pixal3d_scene.generator.checkpoint import (
    NETWORKS,
    build_network,
    check_checkpoint,
    load_image_encoder,
    load_network,
    load_upsampler,
    stored_tensors,
)
from pixal3d_scene.generator.flow import FLOW_CLASSES
from pixal3d_scene.generator.pipeline_file import Checkpoint, find_checkpoint, find_upsampler
from pixal3d_scene.weights.location import find_weights

FLOW, DECODER = "ckpts/shape_512", "ckpts/shape_dec"


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "pipeline"))


def respell(folder: Path, stem: str, change: Callable[[dict[str, Tensor]], Any]) -> Checkpoint:
    """The checkpoint with its tensors changed in place by `change`."""
    file = folder / f"{stem}.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    return find_checkpoint(folder, stem)


def test_what_is_loaded_is_what_is_stored(folder: Path) -> None:
    stored = load_file(folder / f"{FLOW}.safetensors")
    network = load_network(find_checkpoint(folder, FLOW), torso=torch.float32)
    assert not network.training
    loaded = network.state_dict()
    assert loaded.keys() == stored.keys()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, stored[name]), name
        assert not tensor.requires_grad
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_every_role_of_the_pipeline_fits(tiny_folder: Path) -> None:
    for stem in sorted({path.stem for path in (tiny_folder / "ckpts").glob("*.json")}):
        check_checkpoint(find_checkpoint(tiny_folder, f"ckpts/{stem}"))
    assert set(NETWORKS) == {*FLOW_CLASSES, *AUTOENCODERS, "NAF", "ViewEncoder"}


def test_missing_keys_are_named(folder: Path) -> None:
    wrong = respell(folder, FLOW, lambda t: [t.pop("out_layer.bias"), t.pop("blocks.1.modulation")])
    with pytest.raises(InputError, match=r"shape_512.*2 missing: .*blocks\.1\.modulation.*out_layer\.bias") as caught:
        load_network(wrong)
    assert "unexpected" not in str(caught.value)


def test_unexpected_keys_are_named(folder: Path) -> None:
    wrong = respell(folder, FLOW, lambda t: t.update({"blocks.2.modulation": torch.zeros(3)}))
    with pytest.raises(InputError, match=r"1 unexpected: blocks\.2\.modulation"):
        load_network(wrong)


def test_long_lists_are_cut_but_counted(folder: Path) -> None:
    wrong = respell(folder, FLOW, lambda t: [t.pop(name) for name in list(t) if name.startswith("blocks.0")])
    with pytest.raises(InputError, match=r"23 missing: (blocks\.0\.[^,]+, ){3}blocks\.0\.\S+ and 19 more"):
        load_network(wrong)


def test_wrong_shapes_are_named_with_both(folder: Path) -> None:
    wrong = respell(folder, FLOW, lambda t: t.update({"input_layer.weight": torch.zeros(24, 9)}))
    with pytest.raises(InputError, match=r"1 wrong shape: input_layer\.weight is \(24, 9\), not \(24, 8\)"):
        load_network(wrong)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float64, torch.float8_e4m3fn, torch.bool, torch.complex64])
def test_wrong_types_are_named(folder: Path, dtype: torch.dtype) -> None:
    wrong = respell(folder, FLOW, lambda t: t.update({"out_layer.bias": torch.zeros(8).to(dtype)}))
    with pytest.raises(InputError, match=r"1 wrong type.*out_layer\.bias is \w+"):
        load_network(wrong)


def test_names_of_the_spconv_back_end_are_recognised(folder: Path) -> None:
    def rename(tensors: dict[str, Tensor]) -> None:
        for name in [n for n in tensors if n.endswith("conv1.weight")]:
            tensors[name.replace("conv1.weight", "conv1.conv.weight")] = tensors.pop(name)

    with pytest.raises(InputError, match=r"4 missing: .*conv1\.weight.*names of the spconv back-end"):
        load_network(respell(folder, DECODER, rename))


def test_names_of_the_torchsparse_back_end_are_recognised(folder: Path) -> None:
    def rename(tensors: dict[str, Tensor]) -> None:
        weight = tensors.pop("blocks.0.0.conv.weight")
        tensors["blocks.0.0.conv.conv.kernel"] = weight.flatten(1, 3).permute(1, 2, 0).contiguous()

    with pytest.raises(InputError, match="names and layout of the torchsparse back-end"):
        load_network(respell(folder, DECODER, rename))


@pytest.mark.parametrize("stored", [None, torch.complex64, torch.float32])
def test_rope_phases_alone_may_be_there_or_not(folder: Path, stored: torch.dtype | None) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors.pop("rope_phases")
        if stored is not None:
            tensors["rope_phases"] = torch.ones(7, 2).to(stored)

    network = load_network(respell(folder, "ckpts/ss_flow", change))
    assert "rope_phases" not in network.state_dict()


def test_rope_phases_are_never_read(tiny_folder: Path) -> None:
    """A safetensors that knows no complex numbers must still open the file."""
    contents = stored_tensors(tiny_folder / "ckpts/ss_flow.safetensors")
    assert contents["rope_phases"].dtype == "C64"

    class NoComplex(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            assert not (isinstance(result, Tensor) and result.is_complex()), func
            return result

    with NoComplex():
        load_network(find_checkpoint(tiny_folder, "ckpts/ss_flow"))


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\x80\x04" + b[2:]])
def test_damaged_files_are_named(folder: Path, spoil: Callable[[bytes], bytes]) -> None:
    file = folder / f"{FLOW}.safetensors"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(InputError, match=r"shape_512\.safetensors is no complete safetensors file"):
        load_network(find_checkpoint(folder, FLOW))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "Pickled", "args": {}}, r"'Pickled'; known are .*SLatFlowModel"),
        ({"name": "SLatFlowModel", "args": {}}, "does not describe a SLatFlowModel.*missing"),
        ({"name": "SLatFlowModel"}, "no network description"),
        ([], "no network description"),
    ],
)
def test_wrong_descriptions_are_named(folder: Path, config: object, message: str) -> None:
    (folder / f"{FLOW}.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_network(find_checkpoint(folder, FLOW))


def test_description_of_another_network_does_not_fit(folder: Path) -> None:
    shutil.copy(folder / "ckpts/tex_1024.json", folder / f"{FLOW}.json")
    with pytest.raises(InputError, match=r"input_layer\.weight is \(24, 8\), not \(24, 16\)"):
        load_network(find_checkpoint(folder, FLOW))


def test_mode_of_image_attention_comes_from_the_weights_where_the_json_is_silent(folder: Path) -> None:
    path = folder / f"{FLOW}.json"
    about = json.loads(path.read_text())
    del about["args"]["image_attn_mode"]
    about["args"]["a_key_of_the_future"] = 3
    path.write_text(json.dumps(about))
    load_network(find_checkpoint(folder, FLOW))


def test_torso_is_converted_once_and_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "cache"))
    place = find_checkpoint(folder, FLOW)
    first = load_network(place).state_dict()
    assert first["blocks.0.mlp.mlp.0.weight"].dtype == torch.bfloat16
    assert first["blocks.0.norm2.weight"].dtype == torch.float32
    assert first["blocks.0.modulation"].dtype == first["input_layer.weight"].dtype == torch.float32
    [kept] = (tmp_path / "cache/converted").iterdir()
    assert kept.stat().st_size < 0.75 * place.weights.stat().st_size

    opened: list[Path] = []
    open_file = module.safe_open
    monkeypatch.setattr(module, "safe_open", lambda p, **k: (opened.append(Path(p)), open_file(p, **k))[1])
    second = load_network(place).state_dict()
    assert opened[-1] == kept
    direct = load_network(place, cache=False).state_dict()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
        assert torch.equal(tensor, direct[name]), name

    kept.write_bytes(kept.read_bytes()[:-5])  # a damaged copy is made again
    load_network(place)
    assert stored_tensors(kept).keys() == first.keys()

    respell(folder, FLOW, lambda t: t["out_layer.bias"].add_(1.0))  # other content, other key
    changed = load_network(find_checkpoint(folder, FLOW)).state_dict()
    assert torch.equal(changed["out_layer.bias"], first["out_layer.bias"] + 1)
    assert len(list((tmp_path / "cache/converted").iterdir())) == 2


def test_a_cache_that_cannot_be_written_costs_only_time(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "file"))
    network = load_network(find_checkpoint(tiny_folder, FLOW))
    assert network.state_dict()["blocks.0.mlp.mlp.0.weight"].dtype == torch.bfloat16
    assert "converted anew each time" in caplog.text


def test_nothing_is_kept_where_nothing_shrinks(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "cache"))
    load_network(find_checkpoint(tiny_folder, FLOW), torso=torch.float32)
    load_network(find_checkpoint(tiny_folder, DECODER))
    assert not (tmp_path / "cache/converted").exists()


def test_upsampler_without_description_is_the_published_one(tmp_path: Path) -> None:
    save_file(NETWORKS["NAF"]().state_dict(), tmp_path / "naf.safetensors")
    place = find_upsampler(tmp_path, None)
    assert sum(p.numel() for p in load_upsampler(place).parameters()) == pytest.approx(0.66e6, rel=0.02)


def test_upsampler_must_be_one(tiny_folder: Path) -> None:
    with pytest.raises(InputError, match=r"ss_dec\.json describes a StructureDecoder, not the upsampler"):
        load_upsampler(find_checkpoint(tiny_folder, "ckpts/ss_dec"))


def test_image_encoder_is_loaded_strictly(folder: Path) -> None:
    assert load_image_encoder(find_weights(str(folder / "dinov3"))).dinov3.config.hidden_size == 32
    file = folder / "dinov3/model.safetensors"
    tensors = load_file(file)
    removed = sorted(tensors)[3]
    save_file({k: v for k, v in tensors.items() if k != removed}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"no complete DINOv3.*missing_keys"):
        load_image_encoder(find_weights(str(folder / "dinov3")))
    save_file({**tensors, "another.weight": torch.zeros(2)}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"unexpected_keys.*another\.weight"):
        load_image_encoder(find_weights(str(folder / "dinov3")))


# Published sizes


FLOW_ARGS: dict[str, Any] = {
    "model_channels": 1536,
    "cond_channels": 1024,
    "num_blocks": 30,
    "num_heads": 12,
    "mlp_ratio": 5.3334,
    "pe_mode": "rope",
    "share_mod": True,
    "initialization": "scaled",
    "qk_rms_norm": True,
    "qk_rms_norm_cross": True,
    "image_attn_mode": "proj",
    "dtype": "bfloat16",
}
VOXEL_DECODER: dict[str, Any] = {
    "latent_channels": 32,
    "model_channels": [1024, 512, 256, 128, 64],
    "num_blocks": [4, 16, 8, 4, 0],
    "block_type": ["SparseConvNeXtBlock3d"] * 5,
    "up_block_type": ["SparseResBlockC2S3d"] * 4,
    "use_fp16": True,
}
PUBLISHED = [
    ("SparseStructureFlowModel", {"resolution": 16, "in_channels": 8, "out_channels": 8, **FLOW_ARGS}, 1339.41, 700),
    (
        "ElasticSLatFlowModel",
        {"resolution": 64, "in_channels": 32, "out_channels": 32, "proj_in_channels": 2048, **FLOW_ARGS},
        1386.67,
        700,
    ),
    (
        "ElasticSLatFlowModel",
        {"resolution": 64, "in_channels": 64, "out_channels": 32, "proj_in_channels": 2048, **FLOW_ARGS},
        1386.72,
        700,
    ),
    (
        "SparseStructureDecoder",
        {"out_channels": 1, "latent_channels": 8, "channels": [512, 128, 32], "num_res_blocks": 2, "use_fp16": True},
        73.67,
        None,
    ),
    ("FlexiDualGridVaeDecoder", {**VOXEL_DECODER, "resolution": 256}, 474.23, 292),
    ("SparseUnetVaeDecoder", {**VOXEL_DECODER, "out_channels": 6, "pred_subdiv": False}, 474.2, 284),
]


@pytest.mark.parametrize(("name", "args", "millions", "tensors"), PUBLISHED)
def test_published_networks_have_the_published_size(
    name: str, args: dict[str, Any], millions: float, tensors: int | None, tmp_path: Path
) -> None:
    (tmp_path / "net.json").write_text(json.dumps({"name": name, "args": args}))
    network = build_network(Checkpoint(config=tmp_path / "net.json", weights=tmp_path / "none"), {})
    assert all(p.is_meta for p in network.parameters())
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.03)
    assert tensors is None or len(network.state_dict()) == tensors
