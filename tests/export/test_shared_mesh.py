"""Objects that share a mesh: stored once in scene.glb, each on its own node, complete in scene.json and alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pygltflib
import pytest
from gltf_validator import validator_report
from hand_made_scene import corner_mesh, hand_made_camera, hand_made_object, hand_made_photo, hand_made_room, pose

from pixal3d_scene.export.facts import scene_facts
from pixal3d_scene.export.glb import object_glb, scene_glb
from pixal3d_scene.scene_graph import SceneGraph, SceneObject

POSES = {1: pose(-0.8, 0.0, -3.0, 20), 2: pose(0.4, 0.0, -3.3, 200), 4: pose(1.2, 0.0, -2.6, 290)}


def chairs() -> list[SceneObject]:
    """Three objects on the floor that show the mesh of the first."""
    first, *others = (hand_made_object(value, "chair", corner_mesh(), T) for value, T in POSES.items())
    return [
        first,
        *(
            replace(
                item,
                mesh_node=first.mesh_node,
                material=first.material,
                placement=replace(item.placement, mesh_of=first.name),
            )
            for item in others
        ),
    ]


@pytest.fixture(scope="module")
def scene() -> SceneGraph:
    # One more with an equal mesh of its own: equal is not shared unless somebody said so.
    alone = hand_made_object(7, "chair", corner_mesh(), pose(0.0, 0.0, -4.0))
    return SceneGraph(camera=hand_made_camera(), objects=[*chairs(), alone], room=hand_made_room())


def read(data: bytes) -> pygltflib.GLTF2:
    return pygltflib.GLTF2().load_from_bytes(data)


def nodes_by_name(gltf: pygltflib.GLTF2) -> dict[str, Any]:
    return {node.name: node for node in gltf.nodes}


def written(scene: SceneGraph) -> bytes:
    return scene_glb(scene, photo=hand_made_photo(), jpeg_quality=90, room_shell=False)


def test_the_mesh_is_in_the_file_once(scene: SceneGraph) -> None:
    gltf = read(written(scene))
    nodes = nodes_by_name(gltf)
    assert nodes["chair_01"].mesh == nodes["chair_02"].mesh == nodes["chair_04"].mesh
    assert nodes["chair_07"].mesh != nodes["chair_01"].mesh
    assert [mesh.name for mesh in gltf.meshes] == ["chair_01", "chair_07"]
    assert [material.name for material in gltf.materials] == ["chair_01_mat", "chair_07_mat"]
    assert [mesh.primitives[0].material for mesh in gltf.meshes] == [0, 1]


def test_every_node_stands_where_its_object_does(scene: SceneGraph) -> None:
    nodes = nodes_by_name(read(written(scene)))
    for item in scene.objects:
        node = nodes[item.name]
        assert node.scale is None
        np.testing.assert_allclose(node.translation, item.placement.T_world_from_node.translation, atol=1e-9)
        quat_xyzw = item.placement.T_world_from_node.rotation.as_quat(canonical=True)
        np.testing.assert_allclose(node.rotation or [0, 0, 0, 1], quat_xyzw, atol=1e-9)
        assert node.extras["mesh_of"] == item.placement.mesh_of


def test_scene_json_names_whose_mesh_it_is(scene: SceneGraph) -> None:
    facts = scene_facts(scene, hand_made_photo())
    schema = json.loads((Path(__file__).parents[2] / "docs" / "scene.schema.json").read_text())
    jsonschema.validate(facts, schema)
    assert [entry["mesh_of"] for entry in facts["objects"]] == [None, "chair_01", "chair_01", None]
    assert len({entry["mesh"] for entry in facts["objects"]}) == 4  # each has a file of its own
    assert facts["objects"][0]["size_m"] == facts["objects"][1]["size_m"]


def test_each_alone_is_complete(scene: SceneGraph) -> None:
    files = [read(object_glb(scene[name], jpeg_quality=90)) for name in ("chair_01", "chair_02")]
    for gltf, name in zip(files, ("chair_01", "chair_02"), strict=True):
        assert [node.name for node in gltf.nodes] == [name]
        assert gltf.nodes[0].extras["name"] == name
    first, second = (g.accessors[g.meshes[0].primitives[0].attributes.POSITION] for g in files)
    assert (first.count, first.min, first.max) == (second.count, second.min, second.max)


def test_the_validator_has_nothing_to_say(scene: SceneGraph, tmp_path: Path) -> None:
    issues = validator_report(written(scene), tmp_path)["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
