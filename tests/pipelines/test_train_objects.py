"""The three runs that make object networks, one after the other in one folder, as the command line does it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from object_cases import small_objects
from typer.testing import CliRunner

from cli import app
from pipelines.train import train
from pixal3d_scene.errors import InputError
from pixal3d_scene.generator.checkpoint import load_network
from pixal3d_scene.generator.pipeline_file import find_checkpoint
from pixal3d_scene.learning.object_files import write_objects
from pixal3d_scene.learning.object_latents import read_autoencoders
from pixal3d_scene.learning.training import averaged_weights
from pixal3d_scene.learning.training_settings import read_training_settings

RUNS = ("objects-structure-smoke", "objects-voxels-smoke", "objects-flows-smoke")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    for split in ("train", "validation"):
        write_objects(small_objects(), folder / f"{split}_0_000000.npz", cube_over_crop=1.25)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    for name in RUNS:
        train(name, data, out, device="cpu")
    return out


def losses(folder: Path) -> list[float]:
    with (folder / "curves.csv").open(newline="") as file:
        return [float(r["value"]) for r in csv.DictReader(file) if (r["set"], r["name"]) == ("train", "loss")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["structure", "voxels", "flows"])
def test_every_run_learns(trained: Path, kind: str) -> None:
    values = losses(trained / kind)
    assert len(values) == 12
    assert np.mean(values[-3:]) < 0.97 * np.mean(values[:3])


@pytest.mark.slow
def test_the_folder_is_a_pipeline_whose_networks_load_strictly(trained: Path) -> None:
    folder = trained / "objects"
    args = json.loads((folder / "pipeline.json").read_text())["args"]
    assert set(args["models"]) == {
        "sparse_structure_flow_model", "sparse_structure_decoder", "shape_slat_flow_model_512", "shape_slat_decoder",
        "tex_slat_flow_model_1024", "tex_slat_decoder",
    }  # fmt: skip
    networks = {
        role: load_network(find_checkpoint(folder, stem), cache=False)
        for role, stem in {**args["models"], "view": args["view_encoder"]}.items()
    }
    assert (args["cube_over_crop"], args["picture_px"], args["resolution"]) == (1.25, 128, 64)
    assert len(args["shape_slat_normalization"]["std"]) == networks["shape_slat_flow_model_512"].input_layer.in_features
    pictures = torch.rand(1, 7, 128, 128)
    assert networks["view"](pictures).coarse.shape == (1, 16, 16, 16)
    assert networks["sparse_structure_decoder"](torch.zeros(1, 4, 8, 8, 8)).shape == (1, 1, 32, 32, 32)


@pytest.mark.slow
def test_latents_are_written_with_a_spread_of_one(trained: Path) -> None:
    latents = read_autoencoders(trained).latents(small_objects())
    assert float(latents.structure.std()) == pytest.approx(1, abs=0.05)
    for values in (latents.shape, latents.material):
        assert float(values.mean(dim=0).abs().max()) < 0.15
        assert float((values.std(dim=0) - 1).abs().median()) < 0.15


@pytest.mark.slow
def test_a_finished_run_has_nothing_left_to_do(trained: Path, data: Path) -> None:
    before = (trained / "objects" / "structure_flow.safetensors").read_bytes()
    command = ["train", "objects-flows-smoke", str(data), "-o", str(trained), "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert Path(facts["weights"]) == trained / "objects"
    assert {"structure", "shape", "texture", "sampled_iou_tokens"} <= set(facts["validation"])
    assert (trained / "objects" / "structure_flow.safetensors").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("change", ['conditioning = "cross_attention"', "exact_camera = false"])
def test_comparisons_train_the_same_networks_and_write_no_pipeline(
    trained: Path, data: Path, tmp_path: Path, change: str
) -> None:
    text = Path("configs/training/objects-flows-smoke.toml").read_text()
    settings = tmp_path / "comparison.toml"
    settings.write_text(text.replace("[flows]\n", f"[flows]\n{change}\n").replace("steps = 12", "steps = 2"))
    done = train(str(settings), data, tmp_path / "out", device="cpu", earlier=trained)
    assert Path(done["weights"]) == tmp_path / "out" / "flows"
    assert not (tmp_path / "out" / "objects").exists()
    assert {k: v.shape for k, v in averaged_weights(tmp_path / "out" / "flows").items()} == {
        k: v.shape for k, v in averaged_weights(trained / "flows").items()
    }


def test_flows_without_autoencoders_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="objects-structure and objects-voxels"):
        train("objects-flows-smoke", data, tmp_path / "out", device="cpu")


def test_sections_of_another_kind_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('kind = "flows"\n[voxels]\nshape_latent = 4\n')
    with pytest.raises(InputError, match="no section voxels"):
        read_training_settings(str(wrong))
