"""Who carries whom."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import RigidTransform

from pixal3d_scene.asset import Material, Mesh
from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import Similarity
from pixal3d_scene.instances import Instance
from pixal3d_scene.room import Room, RoomPlane
from pixal3d_scene.scene_graph import Placement, Relation, SceneGraph, SceneObject

FLOOR = RoomPlane(name="floor", corners_world=np.array([[0.0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0]]))
TRIANGLE = Mesh(vertices=np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]), faces=np.array([[0, 1, 2]]))


def thing(value: int, parent: str = "floor", relation: Relation = "on", *, mesh: Mesh | None = TRIANGLE) -> SceneObject:
    """An object called `thing_NN`."""
    instance = Instance(mask_value=value, label="thing")
    placement = Placement(
        name=instance.name,
        T_world_from_node=RigidTransform.identity(),
        T_node_from_obj=Similarity(),
        parent=parent,
        relation=relation,
    )
    return SceneObject(
        instance=instance, placement=placement, mesh_node=mesh, material=Material(), status="lifted", generator="test"
    )


def graph_of(*objects: SceneObject) -> SceneGraph:
    camera = Camera.from_focal(focal_px=100.0, size_px=(100, 100))
    return SceneGraph(camera=camera, objects=objects, room=Room(planes=(FLOOR,)))


def test_only_what_stands_on_an_object_is_its_child() -> None:
    graph = graph_of(
        thing(4, "thing_02"),
        thing(2, "thing_01"),
        thing(1),
        thing(3, "wall_01", "against"),
        thing(5, "thing_01", "against"),
        thing(6, "ceiling", "hangs"),
    )
    expected = {1: "room", 2: "thing_01", 3: "room", 4: "thing_02", 5: "room", 6: "room"}
    assert {value: graph.parent_node(f"thing_{value:02d}") for value in expected} == expected
    assert graph.children("thing_01") == ("thing_02",)
    assert graph.children("room") == ("thing_01", "thing_03", "thing_05", "thing_06")
    assert graph.children("thing_06") == ()


def test_objects_come_by_mask_value_and_carriers_before_what_they_carry() -> None:
    graph = graph_of(thing(1, "thing_03"), thing(3, "thing_02"), thing(2))
    assert [item.instance.mask_value for item in graph.objects] == [1, 2, 3]
    assert [item.name for item in graph.top_down()] == ["thing_02", "thing_03", "thing_01"]
    assert graph["thing_03"].placement.parent == "thing_02"


@pytest.mark.parametrize(
    "objects",
    [
        [thing(1, "thing_02"), thing(2, "thing_01")],
        [thing(1, "thing_01")],
        [thing(1, "thing_03"), thing(2, "thing_01"), thing(3, "thing_02"), thing(4)],
    ],
)
def test_cycles_are_refused(objects: list[SceneObject]) -> None:
    with pytest.raises(ValueError, match="cycle"):
        graph_of(*objects)


def test_two_objects_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="thing_01"):
        graph_of(thing(1), thing(1))


def test_an_empty_room_is_a_scene() -> None:
    graph = graph_of()
    assert graph.objects == graph.top_down() == ()
    assert graph.room.floor.normal_world.tolist() == [0.0, 1.0, 0.0]


def test_sizes_are_along_the_node_axes() -> None:
    assert thing(1).size_m.tolist() == [1.0, 2.0, 0.0]
    assert thing(1, mesh=None).size_m.tolist() == [0.0, 0.0, 0.0]
