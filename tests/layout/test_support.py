"""What stands on, leans against and hangs from what, in scenes with known relations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from layout_cases import disturbed, place, placed_vertices
from rendered_scene import RenderedScene, box, camera_at, render, shell, standing_box

from pixal3d_scene.asset import Mesh

CAMERA = camera_at(height_m=1.3, pitch_deg=3.0)

TABLE, VASE, TRAY, CUP = (
    standing_box((1.0, 0.7, 0.7), -0.9, -0.8),
    standing_box((0.2, 0.3, 0.2), -1.2, -0.75, y=0.7),
    standing_box((0.4, 0.1, 0.35), -0.75, -0.7, y=0.7),
    standing_box((0.15, 0.15, 0.15), -0.72, -0.68, y=0.8),
)
CLOCK = box((0.4, 0.4, 0.06), (0.4, 1.8, -2.97))
SHELF = box((0.25, 0.3, 0.9), (-1.875, 1.6, -1.6))
LAMP = box((0.35, 0.5, 0.35), (0.9, 2.35, -1.4))
CUPBOARD = standing_box((0.8, 1.2, 0.4), 1.3, -2.8)
CHEST = standing_box((0.5, 0.5, 0.5), 0.6, -0.6)

EXPECTED = {
    1: ("floor", "on"),
    2: ("object_01", "on"),
    3: ("object_01", "on"),
    4: ("object_03", "on"),
    5: ("wall", "against"),
    6: ("wall", "against"),
    7: ("ceiling", "hangs"),
    8: ("floor", "on"),
    9: ("floor", "on"),
}


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    meshes = [TABLE, VASE, TRAY, CUP, CLOCK, SHELF, LAMP, CUPBOARD, CHEST]
    return render(dict(enumerate(meshes, start=1)), CAMERA, room=shell(width=4.0))


@pytest.mark.parametrize("noise_share", [0.0, 0.02, 0.05])
def test_relations(scene: RenderedScene, noise_share: float) -> None:
    depth = disturbed(scene.depth, noise_share=noise_share, smooth_share=noise_share / 5, seed=4)
    placements = place(scene, depth=depth)
    found = {
        v.instance.mask_value: (placements[v.name].parent.split("_")[0] if placements[v.name].relation == "against"
                                else placements[v.name].parent, placements[v.name].relation)
        for v in scene.volumes
    }  # fmt: skip
    assert found == EXPECTED


def test_what_stands_hangs_and_leans_is_where_it_was(scene: RenderedScene) -> None:
    placements = place(scene)
    for volume in scene.volumes:
        placed = placed_vertices(scene, volume, placements[volume.name])
        np.testing.assert_allclose(placed, scene.meshes_world[volume.instance.mask_value].vertices, atol=2e-3)


def test_contacts_are_edges_with_a_confidence_and_a_patch(scene: RenderedScene) -> None:
    placements = place(scene)
    for placement in placements.values():
        first = placement.contacts[0]
        assert (first.other, first.relation) == (placement.parent, placement.relation)
        assert all(0 <= c.confidence <= 1 for c in placement.contacts)
    vase = placements["object_02"].contacts[0]
    assert vase.confidence > 0.9
    assert vase.area_m2 == pytest.approx(0.04, rel=0.1)
    np.testing.assert_allclose(vase.middle_world, [-1.2, 0.7, -0.75], atol=0.03)
    # The cupboard stands on the floor and touches the wall behind it.
    cupboard = {(c.other.split("_")[0], c.relation) for c in placements["object_08"].contacts}
    assert cupboard == {("floor", "on"), ("wall", "against")}


def test_a_plank_on_two_crates_has_a_parent_and_a_second_support() -> None:
    scene = render(
        {
            1: standing_box((0.4, 0.4, 0.4), -0.6, 0.0),
            2: standing_box((0.4, 0.4, 0.4), 0.6, 0.0),
            3: box((1.6, 0.05, 0.3), (0, 0.425, 0)),
        },
        camera_at(),
    )
    plank = place(scene)["object_03"]
    assert plank.parent in ("object_01", "object_02")
    assert {c.other for c in plank.contacts} == {"object_01", "object_02"}
    assert all(abs(c.gap_m) < 1e-3 for c in plank.contacts)


def test_supports_never_form_a_ring() -> None:
    # Two boxes wedged into each other, each with its foot on the other's side: a ring if one asked only for gaps.
    meshes = {
        1: box((1.0, 0.3, 0.4), (0.0, 0.45, 0.0)),
        2: box((0.4, 0.3, 1.0), (0.2, 0.50, 0.1)),
        3: box((0.4, 0.3, 0.4), (-0.2, 0.55, 0.0)),
    }
    placements = place(render(meshes, camera_at()))
    for name in placements:
        walked = [name]
        while (parent := placements[walked[-1]].parent) in placements:
            assert parent not in walked
            walked.append(parent)


def test_an_object_without_depth_is_placed_by_its_foot() -> None:
    scene = render(
        {1: standing_box((0.5, 0.6, 0.5), 0.4, -0.3), 2: standing_box((0.5, 0.4, 0.5), -0.9, 0.0)}, camera_at()
    )
    valid = scene.depth.valid & ~scene.volume(1).mask
    placement = place(scene, depth=replace(scene.depth, valid=valid))["object_01"]
    assert "guess" in " ".join(placement.warnings)
    placed = placed_vertices(scene, scene.volume(1), placement)
    np.testing.assert_allclose(placed, scene.meshes_world[1].vertices, atol=0.03)


def test_a_carrier_whose_mesh_lacks_its_top_is_said() -> None:
    whole = render({1: TABLE, 2: VASE}, CAMERA)
    front, plinth = standing_box((1.0, 0.7, 0.1), -0.9, -0.5), standing_box((1.0, 0.1, 0.7), -0.9, -0.8)
    without_top = Mesh(
        vertices=np.concatenate([front.vertices, plinth.vertices]),
        faces=np.concatenate([front.faces, plinth.faces + len(front.vertices)]),
    )
    hollow = replace(whole, meshes_world={1: without_top, 2: VASE})
    for scene, said in ((whole, 0), (hollow, 1)):
        vase = place(scene)["object_02"]
        assert (vase.parent, vase.relation) == ("object_01", "on")
        assert sum("nothing carries it" in warning for warning in vase.warnings) == said
