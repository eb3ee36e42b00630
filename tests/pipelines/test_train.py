"""Training from files, as the command line does it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flat_rooms import flat_rooms
from typer.testing import CliRunner

from cli import app
from pipelines.pack_models import our_furniture
from pipelines.train import train
from pixal3d_scene.errors import BackendMissing, InputError
from pixal3d_scene.frontend.front_end_network import FrontEndConfig, FrontEndNetwork
from pixal3d_scene.frontend.front_end_weights import read_front_end, write_front_end
from pixal3d_scene.learning.model_pack import pack_models, write_pack
from pixal3d_scene.learning.room_cache import write_batch
from pixal3d_scene.learning.training import averaged_weights
from pixal3d_scene.learning.training_settings import TrainingSettings, read_training_settings, training_names

SIZES = {"widths": (8, 12, 16, 24, 32), "blocks": (1, 1, 1, 1), "decoder_width": 16, "attention_layers": 1}


def rooms(folder: Path) -> Path:
    for number in range(2):
        write_batch(flat_rooms(2, seed=number), folder / f"train_{number}.npz")
    write_batch(flat_rooms(2, seed=99), folder / "validation_0.npz")
    return folder


def test_installed_settings_can_be_read() -> None:
    assert {"front-end", "front-end-smoke"} <= set(training_names())
    assert all(isinstance(read_training_settings(name), TrainingSettings) for name in training_names())


def test_the_smoke_settings_train_in_seconds(tmp_path: Path) -> None:
    done = train("front-end-smoke", rooms(tmp_path / "rooms"), tmp_path / "out", device="cpu")
    assert done["validation"]["absrel_metric"] > 0
    assert (tmp_path / "out" / "curves.png").is_file()
    assert averaged_weights(tmp_path / "out")


@pytest.mark.slow
def test_from_a_pack_as_the_command_line_does_it(tmp_path: Path) -> None:
    training = list(our_furniture(1, 400, ("armchair", "dining table", "dining chair", "sofa")))
    write_pack(pack_models(training), tmp_path / "no_validation.npz")
    with pytest.raises(InputError, match="no models for validation"):
        train("front-end-smoke", tmp_path / "no_validation.npz", tmp_path / "out", device="cpu")
    pack = pack_models([*training, *(replace(m, name=f"{m.name} again", validation=True) for m in training)])
    write_pack(pack, tmp_path / "furniture.npz")
    command = ["train", "front-end-smoke", str(tmp_path / "furniture.npz"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, "--device", "cpu", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert set(facts["validation"]) == {"absrel_metric", "absrel_scaled", "gravity_deg", "focal", "shell", "pq"}
    assert read_front_end(Path(facts["weights"])).config.side_px == 64
    again = CliRunner().invoke(app, [*command, "--device", "cpu", "--json"])  # nothing is left to do
    assert json.loads(again.stdout) == facts


def test_a_network_goes_on_from_weights_that_are_there(tmp_path: Path) -> None:
    data, slow = rooms(tmp_path / "rooms"), tmp_path / "slow.toml"
    smoke = read_training_settings("front-end-smoke")
    sizes = "\n".join(f"{k} = {list(v) if isinstance(v, tuple) else v}" for k, v in smoke.network.model_dump().items())
    slow.write_text(f"[plan]\nsteps = 1\nlearning_rate = 1e-9\naveraging = 0.001\n[network]\n{sizes}\n")
    first = train("front-end-smoke", data, tmp_path / "first", device="cpu")
    on = train(str(slow), data, tmp_path / "on", device="cpu", earlier=Path(first["weights"]))
    chance = train(str(slow), data, tmp_path / "chance", device="cpu")
    a, b, c = (read_front_end(Path(done["weights"])).dense.weight for done in (first, on, chance))
    assert torch.allclose(a, b, atol=1e-3)
    assert not torch.allclose(a, c, atol=1e-3)
    with pytest.raises(InputError, match="another size"):
        train("front-end", data, tmp_path / "other", device="cpu", earlier=Path(first["weights"]))


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rendered rooms"):
        train("front-end-smoke", tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="front-end-smoke"):
        train("no-such-settings", rooms(tmp_path / "rooms"), tmp_path / "out")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[plan]\nstep = 3\n")
    with pytest.raises(InputError, match=r"plan\.step"):
        train(str(wrong), tmp_path / "rooms", tmp_path / "out")
    wrong.write_text("[rooms]\nsize_px = [512, 384]\nsides_px = [256, 320]\n")
    with pytest.raises(InputError, match=r"320 gives pictures whose sides are no multiples of 32"):
        train(str(wrong), tmp_path / "rooms", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_come_back_and_foreign_ones_do_not(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FrontEndNetwork(FrontEndConfig(labels=("object", "chair"), **SIZES)).eval()
    write_front_end(network, tmp_path / "w.safetensors", half=False)
    back = read_front_end(tmp_path / "w.safetensors")
    assert back.config == network.config
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(back(picture).log_depth, network(picture).log_depth, rtol=0, atol=0)
    write_front_end(network, tmp_path / "half.safetensors")
    torch.testing.assert_close(
        read_front_end(tmp_path / "half.safetensors")(picture).log_depth, network(picture).log_depth, atol=0.02, rtol=0
    )
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-100])
    with pytest.raises(BackendMissing, match="cannot be read"):
        read_front_end(tmp_path / "cut.safetensors")


def test_flags_and_packs_that_cannot_be_used_are_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pack.npz").write_bytes(b"just text")
    cases = {
        ("--device", "gpu"): "There is no device 'gpu'; choose auto, cpu, cuda, cuda:N or mps.",
        ("--minutes", "-1"): "--minutes -1 leaves no time to train; give more than 0.",
        (): "pack.npz is no pack of furniture models; make one with `python -m pipelines.pack_models`",
    }
    for flags, sentence in cases.items():
        command = ["train", "front-end-smoke", str(tmp_path / "pack.npz"), "-o", str(tmp_path / "out"), *flags]
        done = CliRunner().invoke(app, command)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
        assert sentence in done.stderr
    assert not (tmp_path / "out").exists()
