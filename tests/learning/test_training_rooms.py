"""Rooms for training: what stands where, and pictures whose truth is true."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import small_batch, small_pack

from pixal3d_scene.instances import SHELL_PARTS
from pixal3d_scene.learning.footprints import inside, meeting
from pixal3d_scene.learning.model_pack import write_pack
from pixal3d_scene.learning.render_rooms import render_rooms
from pixal3d_scene.learning.room_cache import read_batch, write_batch
from pixal3d_scene.learning.room_stream import room_batches
from pixal3d_scene.learning.sample_furniture import TUCK_M, Shelf
from pixal3d_scene.learning.sample_room import sample_room
from pixal3d_scene.learning.sampled_room import DISC, SampledRoom, boxes_of
from pixal3d_scene.learning.scene_tensors import PackTensors
from pixal3d_scene.learning.vocabulary import LABELS, SUPPORTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rooms() -> list[SampledRoom]:
    shelf = Shelf.of(small_pack(), "train")
    return [sample_room(shelf, seed, (96, 72)) for seed in range(40)]


def test_nothing_penetrates_but_chairs_under_tables(rooms: list[SampledRoom]) -> None:
    for room in rooms:
        things = [t for t in room.things if t.number and LABELS[t.label] != "rug"]
        boxes = boxes_of(tuple(things))
        carried = {(t.number, t.carrier) for t in things}
        met = meeting(boxes, boxes, 1e-5)
        deep = meeting(boxes, boxes, TUCK_M + 1e-5)
        for i, a in enumerate(things):
            for j, b in enumerate(things):
                # What stands in a shelf is within the shelf's box.
                if i == j or (a.number, b.number) in carried or (b.number, a.number) in carried or not met[i, j]:
                    continue
                words = {LABELS[a.label], LABELS[b.label]}
                assert words & {"chair", "stool"}, (room.seed, words)
                assert words & {"table", "desk", "coffee table", "sideboard"}, (room.seed, words)
                assert not deep[i, j]


def test_everything_is_within_the_room(rooms: list[SampledRoom]) -> None:
    for room in rooms:
        boxes = boxes_of(tuple(t for t in room.things if t.number))
        width, depth, height = room.size_m
        assert inside(boxes, width + 1e-6, depth + 1e-6).all()
        assert (boxes[:, 5] >= 0).all()
        assert (boxes[:, 6] <= height).all()
        assert np.abs(room.eye_world[[0, 2]]).max() <= max(width, depth) / 2


def test_things_rest_on_what_carries_them(rooms: list[SampledRoom]) -> None:
    on_objects = 0
    for room in rooms:
        of = {t.number: t for t in room.things if t.number}
        for thing in of.values():
            word = SUPPORTS[thing.support]
            if word == "floor":
                assert thing.place_world[1] == 0
                assert thing.carrier == 0
            elif word == "object":
                on_objects += 1
                carrier = of[thing.carrier]
                tops = small_pack().tops_of(carrier.model)
                heights = tops[:, 0] * carrier.size_m[1] / small_pack().size_m[carrier.model, 1]
                assert np.abs(heights - thing.place_world[1]).min() < 1e-4
                local = (thing.place_world - carrier.place_world) @ carrier.axes_world
                half = carrier.size_m / 2 * np.linalg.norm(carrier.axes_world, axis=0)
                assert (np.abs(local[[0, 2]]) < half[[0, 2]]).all()
            elif word == "ceiling":
                assert thing.place_world[1] + thing.size_m[1] == pytest.approx(room.size_m[2], abs=0.01)
    assert on_objects > 40


def test_cameras_are_level_but_for_pitch_and_a_little_roll(rooms: list[SampledRoom]) -> None:
    for room in rooms:
        R = room.R_cam_from_world
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(R) == pytest.approx(1)
        up_cam = R[:, 1]
        assert up_cam[1] < -0.6  # the picture is upright: y of cam is down
        assert abs(np.degrees(np.arcsin(up_cam[0]))) < 6


def test_floor_and_ceiling_are_where_depth_gravity_and_height_say() -> None:
    batch = small_batch()
    height = batch.height_m()
    floor = batch.shell_part == SHELL_PARTS.index("floor")
    assert floor.float().mean() > 0.05
    assert height[floor].abs().max() < 1e-3
    assert (height[batch.valid] > -1e-3).all()
    up = (batch.normals_cam * batch.up_cam[:, :, None, None]).sum(1)
    assert (up[floor] > 0.999).all()
    ceiling = batch.shell_part == SHELL_PARTS.index("ceiling")
    assert (up[ceiling] < -0.999).all()
    wall = batch.shell_part == SHELL_PARTS.index("wall")
    assert (up[wall].abs() < 1e-3).float().mean() > 0.97  # but for the tops of skirtings


def test_every_pixel_is_an_object_or_a_part_of_the_room() -> None:
    batch = small_batch()
    assert batch.valid.all()  # rooms are closed
    assert ((batch.instance_ids > 0) != (batch.shell_part > 0)).all()
    assert (batch.label[batch.instance_ids == 0] == 0).all()
    for b in range(len(batch)):
        for number in batch.instance_ids[b].unique().tolist():
            if number:
                assert batch.objects.present[b, number - 1]
                mask = batch.instance_ids[b] == number
                assert (batch.label[b][mask] == batch.objects.label[b, number - 1]).all()
                assert batch.objects.visible_px[b, number - 1] == mask.sum()


def test_visible_points_lie_in_their_objects_boxes() -> None:
    batch = small_batch()
    points = batch.points_cam()
    truth = batch.objects
    checked = 0
    for b in range(len(batch)):
        for n in truth.visible_px[b].nonzero()[:, 0].tolist():
            at = points[b][batch.instance_ids[b] == n + 1] - truth.centre_cam[b, n]
            local = at @ truth.R_cam_from_node[b, n]
            assert (local.abs() <= truth.size_m[b, n] / 2 + 2e-3).all()
            checked += 1
            box, mask = truth.box_px[b, n], (batch.instance_ids[b] == n + 1).nonzero()
            assert (mask[:, 1] >= box[0]).all()
            assert (mask[:, 1] < box[2]).all()
            assert (mask[:, 0] >= box[1]).all()
            assert (mask[:, 0] < box[3]).all()
    assert checked > 20
    assert ((truth.visible_fraction >= 0) & (truth.visible_fraction <= 1)).all()
    K_centre = torch.einsum("bij,bnj->bni", batch.K, truth.centre_cam)
    before = truth.centre_cam[..., 2] > 0.1
    torch.testing.assert_close((K_centre[..., :2] / K_centre[..., 2:])[before], truth.centre_px[before])


def test_round_rugs_are_round(rooms: list[SampledRoom]) -> None:
    """Seen from straight above: a disc of the rug's own size, its top where the rug's thickness says."""
    rugs = [(room, t) for room in rooms for t in room.things if t.model == DISC]
    assert rugs
    room, rug = rugs[0]
    alone = replace(
        room,
        things=(*(t for t in room.things if t.number == 0), replace(rug, number=1)),
        K=np.array([[100.0, 0, 64], [0, 100.0, 64], [0, 0, 1]]),
        R_cam_from_world=np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
        eye_world=rug.place_world + np.array([0.0, 2.2, 0.0]),
    )
    batch = render_rooms(PackTensors.of(small_pack(), "cpu"), [alone], (128, 128), finer=1)
    mask = batch.instance_ids[0] == 1
    pixel_m = (2.2 - rug.size_m[1]) / 100
    radius_m = batch.points_cam()[0][mask][:, :2].norm(dim=1)
    assert float(radius_m.max()) <= rug.size_m[0] / 2 + 0.01
    below_top_m = batch.z_m[0][mask] - (2.2 - rug.size_m[1])
    assert float(below_top_m[radius_m < rug.size_m[0] / 2 - pixel_m].abs().max()) < 1e-4
    assert float(below_top_m.min()) > -1e-4  # at the rim the side may be seen
    assert float(below_top_m.max()) < rug.size_m[1]
    assert float(mask.sum()) * pixel_m**2 == pytest.approx(np.pi / 4 * rug.size_m[0] ** 2, rel=0.03)


def test_pictures_are_pictures() -> None:
    batch = small_batch()
    assert batch.size_px == (96, 72)
    for picture in batch.rgb.float():
        assert 20 < picture.mean() < 235
        assert picture.std() > 12


def test_a_seed_gives_the_same_rooms_whatever_the_batch() -> None:
    again = next(room_batches(small_pack(), batch=2, size_px=(96, 72), seed=0))
    first = small_batch()
    assert torch.equal(again.rgb, first.rgb[:2])
    assert torch.equal(again.z_m, first.z_m[:2])
    assert torch.equal(again.seeds, first.seeds[:2])
    other = small_batch(seed=1)
    assert not torch.equal(other.rgb, first.rgb)


@pytest.mark.slow
def test_workers_compose_the_same_rooms() -> None:
    stream = room_batches(small_pack(), batch=2, size_px=(96, 72), seed=0, workers=1)
    first, second = next(stream), next(stream)
    stream.close()
    assert torch.equal(torch.cat([first.rgb, second.rgb]), small_batch().rgb)
    assert torch.equal(torch.cat([first.seeds, second.seeds]), small_batch().seeds)


def test_portrait_pictures() -> None:
    batch = next(room_batches(small_pack(), batch=1, size_px=(48, 64), seed=2, finer=1))
    assert batch.rgb.shape == (1, 3, 64, 48)
    floor = batch.shell_part == SHELL_PARTS.index("floor")
    assert batch.height_m()[floor].abs().max() < 1e-3


def test_kept_batches_come_back(tmp_path: Path) -> None:
    batch = small_batch()
    write_batch(batch, tmp_path / "batch.npz")
    back = read_batch(tmp_path / "batch.npz")
    assert torch.equal(back.rgb, batch.rgb)
    assert torch.equal(back.instance_ids, batch.instance_ids)
    assert torch.equal(back.objects.label, batch.objects.label)
    torch.testing.assert_close(back.z_m, batch.z_m, rtol=6e-4, atol=0)
    torch.testing.assert_close(back.normals_cam, batch.normals_cam, rtol=0, atol=0.005)
    stream = room_batches(small_pack(), batch=1, size_px=(32, 24), cache=tmp_path / "kept")
    made = next(stream)
    read = next(room_batches(small_pack(), batch=1, size_px=(32, 24), cache=tmp_path / "kept"))
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert torch.equal(made.rgb, read.rgb)


def test_training_machines_need_torch_and_numpy_alone(tmp_path: Path) -> None:
    program = """
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jaxtyping", "scipy", "trimesh", "PIL", "skimage", "embreex", "pydantic", "networkx",
                                  "fast_simplification", "beartype", "transformers"):
            raise ModuleNotFoundError(name, name=name.split(".")[0])
sys.meta_path.insert(0, Blocked())
import numpy as np
from pathlib import Path
from pixal3d_scene.learning.model_pack import read_pack
from pixal3d_scene.learning.room_stream import room_batches
batch = next(room_batches(read_pack(Path(sys.argv[1])), batch=1, size_px=(32, 24), finer=1))
print(tuple(batch.rgb.shape))
"""
    file = tmp_path / "pack.npz"
    write_pack(small_pack(), file)
    done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(1, 3, 24, 32)"
