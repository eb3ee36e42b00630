"""Segmentation by networks as a user runs it: a config file, tiny weights on the disk, no network, a run folder."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_networks
from hub_cache import COMMIT, add_to_cache
from PIL import Image
from typer.testing import CliRunner

from cli import app
from pixal3d_scene import KnownView, load_models, read_photo, resolve_settings
from pixal3d_scene.settings import preset_names
from pixal3d_scene.weights import fetch
from pixal3d_scene.weights.registry import REGISTRY, published_as

LABELS = ["--labels", "sofa,lamp,table"]
EVERYTHING = {"grid_points": 2, "grid_quality": 0.0, "grid_stability": 0.0, "min_area_share": 0.001}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    return {name: write(root / name) for name, write in tiny_networks.WRITERS.items()}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room of two colours with a dark thing in it, small and of odd size."""
    rgb = np.full((121, 161, 3), (200, 190, 170), dtype=np.uint8)
    rgb[80:] = (120, 90, 60)
    rgb[60:110, 50:100] = (40, 60, 90)
    file = tmp_path_factory.mktemp("photo") / "room.png"
    Image.fromarray(rgb).save(file)
    return file


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No hub, nothing fetched before; whoever asks the network is refused and told on."""
    asked: list[object] = []

    def no_network(_: object, address: object) -> None:
        asked.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "cache"))
    yield
    assert asked == []


def invoke(*arguments: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, list(arguments))


def config(folder: Path, weights: dict[str, Path], **segment: object) -> list[str]:
    """The options that name a config file with these settings and the tiny weights."""
    lines = [
        "[generate]",
        'generator = "box"',
        "[segment]",
        *(f"{name} = {json.dumps(value)}" for name, value in segment.items()),
    ]
    for name, where in weights.items():
        lines += [f"[segment.{name}]", f"weights = {json.dumps(str(where))}"]
        lines += ["threshold = 0.05"] if name in ("sam3", "grounding_dino", "owlv2") else []
    file = folder / "networks.toml"
    file.write_text("\n".join(lines))
    return ["--config", str(file)]


def objects(out: Path) -> list[dict]:  # type: ignore[type-arg]
    return json.loads((out / "scene.json").read_text())["objects"]


FAMILIES = {
    "sam": ({"segmenter": "sam", "detector": "none", **EVERYTHING}, {"object"}),
    "sam2": ({"segmenter": "sam2", "detector": "none", **EVERYTHING}, {"object"}),
    "sam2+grounding_dino": ({"segmenter": "sam2", "detector": "grounding_dino"}, {"table"}),
    "sam+owlv2": ({"segmenter": "sam", "detector": "owlv2"}, {"sofa"}),
    "sam3": ({"segmenter": "sam3"}, {"sofa", "lamp", "table"}),
}


@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=() if f == "sam2+grounding_dino" else pytest.mark.slow) for f in FAMILIES]
)
def test_every_family_runs_offline(family: str, photo: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    segment, labels = FAMILIES[family]
    if family == "sam":
        weights = {**weights, "sam": tiny_networks.write_sam_for_grids(tmp_path / "sam")}
    options = config(tmp_path, weights, **segment, max_objects=2)
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), *options, *([] if "object" in labels else LABELS))
    assert result.exit_code == 0, result.output
    found = objects(tmp_path / "run")
    assert 1 <= len(found) <= 2
    assert {o["label"] for o in found} <= labels
    written = np.asarray(Image.open(tmp_path / "run" / "instances.png"))
    assert written.shape == (121, 161)
    assert set(np.unique(written)) - {0} == {o["mask_value"] for o in found}

    words = [] if "object" in labels else LABELS[1].split(",")
    settings = resolve_settings(config_file=Path(options[1]), overrides={"segment": {"labels": words}})
    again = load_models(settings).segmenter.segment(read_photo(photo), KnownView(), None)
    assert (again.label_map == written).all()  # the same pixels every time
    assert again.source == family


def test_boxes_and_points_give_these_objects(photo: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    points = tmp_path / "points.json"
    points.write_text(json.dumps([{"label": "cupboard", "points_px": [[70, 80]], "negative_px": [[5, 5]]}]))
    options = [*config(tmp_path, weights), "--segmenter", "sam2", "--points", str(points)]
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), *options)
    assert result.exit_code == 0, result.output
    (only,) = objects(tmp_path / "run")
    assert only["name"] == "cupboard_01"
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"label": "shelf", "box_px": [50, 60, 100, 110]}]))
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), *options, "--boxes", str(boxes), "--dry-run")
    assert "sam2 prompted" in result.output
    assert "segment: run" in result.output  # other prompts are other results


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--boxes", "BOXES"], "front_end cannot: add --segmenter sam2 or sam"),
        (["--segmenter", "sam3", "--boxes", "BOXES"], "need torchvision"),
        (["--segmenter", "sam2", "--boxes", "OUTSIDE"], "outside the photo of 161 x 121 px"),
        (["--boxes", "BOXES", "--masks", "BOXES"], "--masks already says"),
        (["--labels", "sofa"], "front_end does not"),
        (["--segmenter", "sam2", "--labels", "sofa", "--boxes", "BOXES"], "give one of them"),
        (["--segmenter", "sam2", "--labels", "sofa. lamp"], "'sofa. lamp' is not usable"),
        (["--segmenter", "sam4"], "no segmenter 'sam4'; choose one of: front_end, regions, sam, sam2, sam3"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_written(
    options: list[str], said: str, photo: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "BOXES").write_text(json.dumps([{"box_px": [1, 2, 30, 40]}]))
    (tmp_path / "OUTSIDE").write_text(json.dumps([{"box_px": [1, 2, 300, 40]}]))
    named = [str(tmp_path / o) if o in ("BOXES", "OUTSIDE") else o for o in options]
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), *config(tmp_path, weights), *named)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert not (tmp_path / "run").exists()


def test_labels_without_a_detector(photo: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    options = config(tmp_path, weights, segmenter="sam2", detector="none")
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), *options, *LABELS)
    assert result.exit_code == 2
    assert "Labels need a detector" in result.output


@pytest.mark.parametrize(("segmenter", "name"), [("sam", "sam"), ("sam2", "sam2"), ("sam3", "sam3")])
def test_missing_weights_name_the_command(segmenter: str, name: str, photo: Path, tmp_path: Path) -> None:
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), "--segmenter", segmenter)
    assert result.exit_code == 3
    assert f"pixal3d-scene models fetch {name} --revision COMMIT" in result.output
    assert not (tmp_path / "run").exists()


def test_the_production_presets_ask_for_permissive_weights(photo: Path, tmp_path: Path) -> None:
    for preset in ("pixal3d", "pixal3d-low-vram"):
        result = invoke("run", str(photo), "-o", str(tmp_path / "run"), "--preset", preset)
        assert result.exit_code == 3
        assert "pixal3d-scene models fetch sam2 --revision COMMIT" in result.output
    assert (REGISTRY["sam2"].commercial, REGISTRY["grounding-dino"].commercial) == ("yes", "yes")


ENTRIES = {"sam": "sam", "sam2": "sam2", "sam3": "sam3", "grounding_dino": "grounding-dino", "owlv2": "owlv2"}


@pytest.mark.parametrize("name", ENTRIES)
def test_models_check_loads_what_was_fetched(name: str, weights: dict[str, Path], tmp_path: Path) -> None:
    """As a folder of the user's own, and as a fetched entry of the registry in the hub's cache."""
    assert invoke("models", "check", str(weights[name])).exit_code == 0
    entry = REGISTRY[ENTRIES[name]]
    for file in {*entry.files, *(f.name for f in weights[name].iterdir())}:
        own = weights[name] / file
        add_to_cache(tmp_path / "hub", str(entry.hub_id), file, own.read_bytes() if own.is_file() else b"{}")
    result = invoke("models", "check", entry.name, "--json")
    assert result.exit_code == 0, result.output
    (check,) = json.loads(result.output)
    assert (check["name"], check["state"], len(check["sha256"])) == (entry.name, "ok", 64)
    listed = {e["name"]: e for e in json.loads(invoke("models", "list", "--json").output)}
    assert listed[entry.name]["revision"] == COMMIT


@pytest.mark.parametrize("name", ENTRIES.values())
def test_models_fetch_brings_every_file_at_a_named_commit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []

    def download(hub_id: str, file: str, revision: str) -> Path:
        asked.append((hub_id, file, revision))
        return Path("snapshot") / file

    monkeypatch.setattr(fetch, "_download", download)
    result = invoke("models", "fetch", name)
    assert (result.exit_code, "not pinned to a revision" in result.output) == (2, True)
    assert invoke("models", "fetch", name, "--revision", COMMIT).exit_code == 0
    entry = REGISTRY[name]
    assert asked == [(entry.hub_id, file, COMMIT) for file in entry.files]


def test_models_check_says_what_is_wrong(weights: dict[str, Path], tmp_path: Path) -> None:
    def put(file: str, data: bytes) -> None:
        add_to_cache(tmp_path / "hub", str(REGISTRY["sam2"].hub_id), file, data).resolve()

    def checked() -> dict[str, str]:
        result = invoke("models", "check", "sam2", "--json")
        assert result.exit_code == 3
        return json.loads(result.output)[0]  # type: ignore[no-any-return]

    put("model.safetensors", (weights["owlv2"] / "model.safetensors").read_bytes())
    assert checked()["state"] == "missing"
    assert "config.json" in checked()["remark"]
    put("config.json", (weights["sam2"] / "config.json").read_bytes())
    assert (checked()["name"], checked()["state"]) == ("sam2", "wrong")
    assert "no complete Sam2Model" in checked()["remark"]


def test_nothing_that_forbids_commercial_use_is_a_default() -> None:
    segment = resolve_settings().segment
    for part in (segment.sam, segment.sam2, segment.grounding_dino, segment.owlv2):
        assert published_as(part.weights).commercial == "yes"  # type: ignore[union-attr]
    assert published_as(segment.sam3.weights).commercial == "ask"  # type: ignore[union-attr]
    presets = [resolve_settings(preset=preset).segment for preset in preset_names()]
    assert {s.segmenter for s in presets} <= {"front_end", "sam", "sam2"}
    assert {s.detector for s in presets} <= {"grounding_dino", "owlv2"}


def test_a_gpu_that_is_not_there_is_told_before_any_stage(photo: Path, tmp_path: Path) -> None:
    import torch

    there = torch.cuda.device_count()
    result = invoke("run", str(photo), "-o", str(tmp_path / "run"), "--device", f"cuda:{there}")
    assert result.exit_code == 3
    assert f"The device cuda:{there} is not there" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ([], "front_end and lift"),
        (["--segmenter", "regions"], "front_end and lift"),
        (["--segmenter", "regions", "--config", "room.toml"], "lift"),
        (["--segmenter", "regions", "--config", "box.toml"], None),
    ],
)
def test_parts_that_do_not_use_the_device_are_told(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], parts: str | None
) -> None:
    monkeypatch.setattr("pixal3d_scene.models.choose_device", lambda name: name)  # as if it were there
    monkeypatch.chdir(tmp_path)
    Path("room.toml").write_text('[depth]\nestimator = "room_geometry"\n')
    Path("box.toml").write_text('[depth]\nestimator = "room_geometry"\n[generate]\ngenerator = "box"\n')
    told = f"note: --device cuda is not used by {parts}: the package's own networks run on the CPU."
    planned = invoke("run", str(photo), "--device", "cuda", "--dry-run", *more)
    assert planned.exit_code == 0, planned.output
    assert [line for line in planned.stderr.splitlines() if "--device" in line] == [told] * (parts is not None)
    assert "--device" not in invoke("run", str(photo), "--device", "cpu", "--dry-run", *more).stderr


def test_the_report_tells_what_does_not_use_the_device(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixal3d_scene.models.choose_device", lambda name: name)
    (tmp_path / "room.toml").write_text(
        '[depth]\nestimator = "room_geometry"\n[generate]\nhidden_sides = false\nvoxels = 32\n'
    )
    out = tmp_path / "run"
    chosen = ["--segmenter", "regions", "--config", str(tmp_path / "room.toml"), "--quality", "draft"]
    assert invoke("run", str(photo), "-o", str(out), "--device", "cuda", *chosen).exit_code == 0
    assert (
        "--device cuda is not used by lift: the package's own networks run on the CPU."
        in (json.loads((out / "report.json").read_text())["notes"])
    )
