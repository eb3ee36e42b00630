"""The z-buffer sees what the ray caster sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixal3d_scene.learning.compose import compose_room
from pixal3d_scene.learning.rasterise import Visible, rasterise
from pixal3d_scene.learning.surfaces import Stage

K = torch.tensor([[[40.0, 0.0, 16.0], [0.0, 40.0, 12.0], [0.0, 0.0, 1.0]]])
SIZE_PX = (32, 24)


def seen(corners: list[list[list[float]]], K: torch.Tensor = K) -> Visible:
    triangles = torch.tensor(corners)
    return rasterise(triangles, torch.zeros(len(triangles), dtype=torch.int64), K, SIZE_PX)


def test_agrees_with_the_ray_caster_on_a_composed_room() -> None:
    room = compose_room(4, size_px=(160, 120))
    stage = Stage(room)
    T_cam_from_world = room.camera.T_world_from_cam.inv()
    worn = [(p.mesh_node, 0) for p in room.shell_world]
    for item in (*room.decor, *room.objects):
        worn += [(item.mesh_world(p.mesh_node), item.mask_value) for p in item.parts]
    corners = np.concatenate([T_cam_from_world.apply(m.vertices)[m.faces] for m, _ in worn])
    ids = np.concatenate([np.full(len(m.faces), value) for m, value in worn])
    visible = rasterise(
        torch.tensor(corners, dtype=torch.float32),
        torch.zeros(len(corners), dtype=torch.int64),
        torch.tensor(room.camera.K, dtype=torch.float32)[None],
        room.camera.size_px,
    )
    rays_world = room.camera.T_world_from_cam.rotation.apply(room.camera.rays_cam().reshape(-1, 3))
    hits = stage.raycaster.cast(room.camera.T_world_from_cam.translation, rays_world)
    face = visible.face[0].numpy().ravel()
    own = np.where(face >= 0, ids[np.maximum(face, 0)], -1)
    true = np.where(hits.hit, stage.mask_values[hits.mesh_index], -1)
    assert (own == true).mean() >= 0.999
    both = (own == true) & hits.hit
    assert (np.abs(visible.z_m[0].numpy().ravel()[both] / hits.t[both] - 1) < 1e-4).mean() >= 0.999


def test_a_pixel_is_covered_where_its_centre_is() -> None:
    # At z = 1 this triangle covers x from 16.4 to 18.6 px on the row of centres y = 12.5: the centres 16.5 and 17.5,
    # and 18.5 as well.
    x = (np.array([16.4, 18.6, 18.6]) - 16) / 40
    y = (np.array([12.45, 12.45, 12.55]) - 12) / 40
    triangle = [[[x[0], y[0], 1.0], [x[1], y[1], 1.0], [x[2], y[2], 1.0]]]
    covers = (seen(triangle).face[0] == 0).nonzero().tolist()
    # The edge from (16.4, 12.45) to (18.6, 12.55) passes y = 12.5 at x = 17.5: of the row, 17.5 and 18.5 are inside.
    assert covers in ([[12, 17], [12, 18]], [[12, 18]])


def test_a_floor_that_passes_under_the_camera_has_its_exact_depth() -> None:
    height = 1.5
    floor = [
        [[-50.0, height, -50.0], [50.0, height, -50.0], [50.0, height, 50.0]],
        [[-50.0, height, -50.0], [50.0, height, 50.0], [-50.0, height, 50.0]],
    ]
    visible = seen(floor)
    rows = torch.arange(24) + 0.5
    below = rows > 13.5  # nearer rows are beyond the floor's end
    expected = (height * 40 / (rows - 12))[below]
    assert (visible.face[0][below] >= 0).all()
    assert (visible.face[0][rows < 12] == -1).all()
    torch.testing.assert_close(visible.z_m[0][below], expected[:, None].expand(-1, 32), rtol=1e-5, atol=0)


def test_the_nearer_triangle_is_seen_whichever_way_it_is_wound() -> None:
    far = [[-1.0, -1.0, 3.0], [1.0, -1.0, 3.0], [0.0, 2.0, 3.0]]
    near = [[-0.2, -0.2, 2.0], [0.2, -0.2, 2.0], [0.0, 0.4, 2.0]]
    for order in ([0, 1, 2], [0, 2, 1]):
        visible = seen([far, [near[k] for k in order]])
        assert visible.face[0, 12, 16] == 1
        assert visible.z_m[0, 12, 16] == pytest.approx(2.0)
        assert set(visible.face.unique().tolist()) == {-1, 0, 1}


def test_barycentrics_give_back_the_point_in_space() -> None:
    corners = torch.tensor([[[-1.0, -1.0, 2.0], [1.5, -1.0, 3.0], [0.0, 2.0, 6.0]]])
    visible = rasterise(corners, torch.zeros(1, dtype=torch.int64), K, SIZE_PX)
    row, column = (visible.face[0] == 0).nonzero(as_tuple=True)
    points = torch.einsum("pk,kc->pc", visible.barycentric[0, row, column], corners[0])
    z = visible.z_m[0, row, column]
    expected = torch.stack([(column + 0.5 - 16) / 40 * z, (row + 0.5 - 12) / 40 * z, z], dim=1)
    assert len(row) > 100
    torch.testing.assert_close(points, expected, rtol=1e-5, atol=1e-6)


def test_scenes_of_a_batch_do_not_see_each_other() -> None:
    one = [[-1.0, -1.0, 3.0], [1.0, -1.0, 3.0], [0.0, 2.0, 3.0]]
    other = [[-0.2, -0.2, 2.0], [0.2, -0.2, 2.0], [0.0, 0.4, 2.0]]
    both = rasterise(torch.tensor([one, other]), torch.tensor([1, 0]), K.expand(2, 3, 3), SIZE_PX)
    alone = [seen([other]), seen([one])]
    for k in range(2):
        assert torch.equal(both.z_m[k], alone[k].z_m[0])


def test_covered_counts_hidden_pixels_and_visible_ones() -> None:
    near = [[-0.2, -0.2, 2.0], [0.2, -0.2, 2.0], [0.0, 0.4, 2.0]]
    far = [[-0.2, -0.2, 3.0], [0.2, -0.2, 3.0], [0.0, 0.4, 3.0]]  # wholly behind the near one
    triangles, scene = torch.tensor([far, near]), torch.zeros(2, dtype=torch.int64)
    visible = rasterise(triangles, scene, K, SIZE_PX, group=torch.tensor([1, 0]), groups=2)
    masks = visible.covered
    assert masks is not None
    assert torch.equal(masks[0, 0], seen([near]).face[0] >= 0)
    assert torch.equal(masks[0, 1], seen([far]).face[0] >= 0)
    assert not (visible.face == 0).any()


def test_nothing_to_see_is_an_empty_picture() -> None:
    visible = rasterise(torch.zeros(0, 3, 3), torch.zeros(0, dtype=torch.int64), K, SIZE_PX)
    assert (visible.face == -1).all()
    behind = seen([[[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.0, 1.0, -1.0]]])
    assert (behind.face == -1).all()
