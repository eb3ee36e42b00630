"""Known heights of objects: depth and camera are scaled together, robustly, and everything is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from painted_room import camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene
from room_on_disk import write_room_on_disk
from typer.testing import CliRunner

from cli import app
from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given_masks import read_masks
from pixal3d_scene.frontend.known_size import at_known_sizes, measure_height, parse_known_size, refuse_unusable_sizes
from pixal3d_scene.frontend.protocols import KnownSize
from pixal3d_scene.frontend.stand import scaled

CAMERA = camera_in_room(pitch_deg=17, yaw_deg=-12)


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return painted_room(CAMERA, furniture())


def true_height(scene: RenderedScene, value: int) -> float:
    low, high = scene.meshes_world[value].bounds
    return float(high[1] - low[1])


def seen_whole(scene: RenderedScene) -> list[int]:
    label_map = scene.instances.label_map
    edge = {*np.unique(label_map[0]), *np.unique(label_map[-1])}
    return [i.mask_value for i in scene.instances.items if i.mask_value not in edge]


@pytest.mark.parametrize(
    ("text", "height_m"), [("chair_01=0.9m", 0.9), ("lamp_03 = 45 cm", 0.45), ("a=1.2", 1.2), ("a=900mm", 0.9)]
)
def test_sizes_as_people_write_them(text: str, height_m: float) -> None:
    known = parse_known_size(text)
    assert known.name == text.split("=")[0].strip()
    assert known.height_m == pytest.approx(height_m)


@pytest.mark.parametrize("text", ["chair_01", "=0.9m", "a=", "a=-1m", "a=0,9m", "a=3ft", "a=0", "a=900", "a=nan"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--known-size"):
        parse_known_size(text)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_heights_are_measured_within_a_few_percent(scene: RenderedScene, noise: float) -> None:
    rng = np.random.default_rng(0)
    z_m = scene.depth.z_m * (1 + noise * rng.standard_normal(scene.depth.z_m.shape))
    depth = replace(scene.depth, z_m=z_m.astype(np.float32))
    assert len(seen_whole(scene)) >= 2
    for value in seen_whole(scene):
        measured_m = measure_height(depth, scene.instances, value, name="it")
        assert measured_m == pytest.approx(true_height(scene, value), rel=0.04 if noise == 0 else 0.12)


@pytest.mark.parametrize("error", [0.8, 1.1, 3.0])
def test_depth_and_camera_are_scaled_together(scene: RenderedScene, error: float) -> None:
    value = seen_whole(scene)[0]
    item = next(i for i in scene.instances.items if i.mask_value == value)
    wrong = scaled(scene.depth, error)
    known = KnownSize(name=item.name, height_m=true_height(scene, value))
    depth = at_known_sizes(wrong, scene.instances, [known])
    np.testing.assert_allclose(depth.z_m, scene.depth.z_m, rtol=0.02)
    np.testing.assert_allclose(depth.points_world(), scene.depth.points_world(), atol=0.02 * 6)
    floor = np.abs(scene.depth.points_world()[..., 1]) < 1e-4
    assert abs(np.median(depth.points_world()[..., 1][floor])) < 1e-3  # the floor stays at y = 0
    assert any(f"scaled by {depth.z_m[0, 0] / wrong.z_m[0, 0]:.3f}" in n and item.name in n for n in depth.notes)


def test_several_sizes_disagreement_and_a_stated_camera_height_are_told(scene: RenderedScene) -> None:
    names = {i.mask_value: i.name for i in scene.instances.items}
    values = seen_whole(scene)
    right = [KnownSize(name=names[v], height_m=true_height(scene, v)) for v in values[:2]]
    agreed = at_known_sizes(scene.depth, scene.instances, right, stated_camera_height_m=1.5)
    assert not any("do not agree" in n or "not agree" in n for n in agreed.notes)
    wrong = [right[0], replace(right[1], height_m=2 * right[1].height_m)]
    told = at_known_sizes(scene.depth, scene.instances, wrong, stated_camera_height_m=1.5)
    factor = float(told.z_m[0, 0] / scene.depth.z_m[0, 0])
    assert factor == pytest.approx(2**0.5, rel=0.02)  # the median of two is their (geometric) mean
    assert any("known sizes do not agree" in n for n in told.notes)
    assert any("stated camera height (1.5 m)" in n and "known sizes count" in n for n in told.notes)
    three = [right[0], replace(right[0]), wrong[1]]
    outvoted = at_known_sizes(scene.depth, scene.instances, three)
    assert float(outvoted.z_m[0, 0] / scene.depth.z_m[0, 0]) == pytest.approx(1, rel=0.02)


def test_unknown_names_and_cut_objects_are_refused(scene: RenderedScene) -> None:
    with pytest.raises(InputError, match=r"sofa_01.*the objects are: .*_0"):
        at_known_sizes(scene.depth, scene.instances, [KnownSize(name="sofa_01", height_m=0.8)])
    value = seen_whole(scene)[0]
    label_map = np.where(scene.instances.label_map == value, value, 0).astype(np.uint16)
    rows = np.flatnonzero((label_map == value).any(axis=1))
    cut = replace(
        scene.instances, label_map=np.roll(label_map, -int(rows[0]), axis=0),
        items=tuple(i for i in scene.instances.items if i.mask_value == value),
    )  # fmt: skip
    (name,) = (i.name for i in cut.items)
    with pytest.raises(InputError, match=f"cuts {name} off"):
        refuse_unusable_sizes(cut, [KnownSize(name=name, height_m=0.8)])
    blind = replace(scene.depth, valid=scene.depth.valid & (scene.instances.label_map != value))
    with pytest.raises(InputError, match="0 pixels"):
        measure_height(blind, scene.instances, value, name="it")


@pytest.mark.parametrize("masks", ["given", "found"])
def test_an_unknown_name_is_refused_before_depth_is_estimated(
    tmp_path: Path, masks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixal3d_scene.frontend.own_network import OwnDepth, OwnSegmenter

    def no_depth(*_: object) -> None:
        raise AssertionError("depth was estimated")

    room = write_room_on_disk(tmp_path)
    monkeypatch.setattr(OwnDepth, "estimate", no_depth)
    monkeypatch.setattr(OwnSegmenter, "segment", lambda *_: read_masks(room.masks, (160, 120)))
    given = ["--masks", str(room.masks)] if masks == "given" else []
    arguments = ["run", str(room.photo), "-o", str(tmp_path / "out"), *given, "--known-size", "sofa_01=0.9m"]
    for more in ([], ["--dry-run"]) if given else ([],):
        result = CliRunner().invoke(app, [*arguments, *more])
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
        assert "names sofa_01, but the objects are: object_03, object_07, object_09;" in result.stderr
    assert (tmp_path / "out").exists() == (masks == "found")  # masks that were found are kept for the next try


def test_without_sizes_nothing_changes(scene: RenderedScene) -> None:
    assert at_known_sizes(scene.depth, scene.instances, []) is scene.depth


@pytest.mark.slow
def test_on_the_command_line_a_changed_size_redoes_what_hangs_on_it(tmp_path: Path) -> None:
    room = write_room_on_disk(tmp_path)
    arguments = ["run", str(room.photo), "-o", str(tmp_path / "out"), *room.given, "--quality", "draft"]

    def invoke(*more: str):  # type: ignore[no-untyped-def]
        return CliRunner().invoke(app, [*arguments, *more])

    assert invoke("--known-size", "object_09=1.8m").exit_code == 0
    facts = json.loads((tmp_path / "out/scene.json").read_text())
    heights_m = {o["name"]: o["size_m"][1] for o in facts["objects"]}
    assert heights_m["object_09"] == pytest.approx(1.8, rel=0.05)
    assert heights_m["object_03"] == pytest.approx(1.2, rel=0.08)  # everything is twice as large as the file says
    assert facts["camera"]["T_world_from_cam"][1][3] == pytest.approx(
        2 * room.scene.depth.camera.centre_world[1], rel=0.02
    )
    assert any("scaled by" in n for n in json.loads((tmp_path / "out/report.json").read_text())["notes"])
    plan = json.loads(invoke("--known-size", "object_09=0.9m", "--dry-run", "--json").stdout)
    kept = {stage for stage, what in plan["stages"].items() if what == "keep"}
    assert kept == {"segment", "depth"}
    unknown = invoke("--known-size", "sofa_01=0.9m")
    assert unknown.exit_code == 2
    assert "object_03, object_07, object_09" in unknown.output
    assert invoke("--known-size", "object_09").exit_code == 2
