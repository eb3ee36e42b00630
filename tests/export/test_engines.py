"""Programs that other people wrote open the GLB; what they report is held against the scene graph.

Asset importers and engines do not read a file as a validator does: they rename, reparent, recompute and leave out.
docs/engines.md has the same for the programs that are too large for a test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made_scene import hand_made_photo, hand_made_scene
from numpy.typing import NDArray

from pixal3d_scene.export.glb import scene_glb
from pixal3d_scene.frames import cv_from_gl
from pixal3d_scene.scene_graph import SceneGraph

pytestmark = pytest.mark.slow

_TOLERANCE_M = 1e-5
_GODOT_IMPORT_S = 60.0
_GODOT_PROJECT = 'config_version=4\n[application]\nconfig/name="check"\n'
# Writes every node of the imported scene, with its transform in the frame of its parent, to nodes.json.
_GODOT_SCRIPT = """extends SceneTree

func row(basis_row, offset):
	return [basis_row.x, basis_row.y, basis_row.z, offset]

func describe(node, parent):
	var facts = {"name": node.name, "type": node.get_class(), "parent": parent}
	var t = node.transform
	var b = t.basis.transposed()
	facts["T_parent_from_node"] = [row(b.x, t.origin.x), row(b.y, t.origin.y), row(b.z, t.origin.z), [0, 0, 0, 1]]
	if node is MeshInstance:
		var corners = []
		for vertex in node.mesh.surface_get_arrays(0)[Mesh.ARRAY_VERTEX]:
			corners.append([vertex.x, vertex.y, vertex.z])
		facts["points_node"] = corners
		var material = node.mesh.surface_get_material(0)
		facts["material"] = material.resource_name
		facts["two_sided"] = material.params_cull_mode == SpatialMaterial.CULL_DISABLED
		facts["texture_width_px"] = material.albedo_texture.get_width() if material.albedo_texture else 0
	if node is Camera:
		facts["camera"] = {"fov_deg": node.fov, "near_m": node.near, "far_m": node.far}
	return facts

func walk(node, parent, list):
	list.append(describe(node, parent))
	for child in node.get_children():
		walk(child, node.name, list)

func _init():
	var nodes = []
	walk(load("res://scene.glb").instance(), null, nodes)
	var file = File.new()
	file.open("res://nodes.json", File.WRITE)
	file.store_string(to_json(nodes))
	file.close()
	quit()
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as a program reports it; facts holds what only that program says."""

    parent: str | None
    T_parent_from_node: NDArray[np.float64]
    points_node: NDArray[np.float64] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def _program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"the program {name} is not installed (Debian package {package})")
    return path


def _write(scene: SceneGraph, folder: Path) -> Path:
    file = folder / "scene.glb"
    photo = hand_made_photo(scene.camera.size_px)
    file.write_bytes(scene_glb(scene, photo=photo, jpeg_quality=92, room_shell=True))
    return file


def _numbers(text: str | None) -> NDArray[np.float64]:
    return np.array((text or "").split(), dtype=np.float64)


def _assimp_nodes(element: ET.Element, parent: str | None, meshes: list[ET.Element]) -> dict[str, Seen]:
    name = element.attrib["name"]
    points_node = None
    if (references := element.find("MeshRefs")) is not None:
        (index,) = _numbers(references.text).astype(int)
        points_node = _numbers(meshes[index].findtext("Positions")).reshape(-1, 3)
    seen = {name: Seen(parent, _numbers(element.findtext("Matrix4")).reshape(4, 4), points_node)}
    for child in element.iterfind("NodeList/Node"):
        seen |= _assimp_nodes(child, name, meshes)
    return seen


def _opened_by_assimp(glb: Path) -> dict[str, Seen]:
    program = _program("assimp", "assimp-utils")
    dump = glb.with_suffix(".assxml")
    done = subprocess.run([program, "dump", str(glb), str(dump)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    root = ET.fromstring(dump.read_text())
    (top,) = root.iterfind("Scene/Node")
    return _assimp_nodes(top, None, root.findall("Scene/MeshList/Mesh"))


def _import_into_godot(program: str, project: Path, environment: dict[str, str]) -> None:
    """The editor imports what is in the project; it does not end by itself, so its last file is waited for."""
    command = [program, "--path", str(project), "--editor", "--quit"]
    editor = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up_s = time.monotonic() + _GODOT_IMPORT_S
        while not any(file.stat().st_size for file in project.glob(".import/*.md5")):
            assert time.monotonic() < give_up_s, "Godot has not imported the file"
            time.sleep(0.2)
    finally:
        editor.kill()
        editor.wait()


def _opened_by_godot(glb: Path) -> dict[str, Seen]:
    program = _program("godot3-server", "godot3-server")
    project = glb.parent
    (project / "project.godot").write_text(_GODOT_PROJECT)
    (project / "nodes.gd").write_text(_GODOT_SCRIPT)
    home = {name: str(project / ".home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    environment = {**os.environ, **home}
    _import_into_godot(program, project, environment)
    command = [program, "--path", str(project), "-s", "nodes.gd"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = {}
    for facts in json.loads((project / "nodes.json").read_text()):
        points = facts.pop("points_node", None)
        seen[facts.pop("name")] = Seen(
            parent=facts.pop("parent"),
            T_parent_from_node=np.array(facts.pop("T_parent_from_node"), dtype=np.float64),
            points_node=None if points is None else np.array(points, dtype=np.float64),
            facts=facts,
        )
    return seen


def _world(seen: dict[str, Seen], name: str) -> NDArray[np.float64]:
    matrix, at = np.eye(4), name
    while at is not None:
        matrix, at = seen[at].T_parent_from_node @ matrix, seen[at].parent
    return matrix


def _check_nodes(seen: dict[str, Seen], scene: SceneGraph) -> None:
    """Names, parents, placements, and that no mesh is moved, mirrored or scaled."""
    assert {name: seen[name].parent for name in ("photo_camera", "floor", "wall_01", "wall_02")} == {
        "photo_camera": "room",
        "floor": "room",
        "wall_01": "room",
        "wall_02": "room",
    }
    for item in scene.objects:
        assert seen[item.name].parent == scene.parent_node(item.name)
        T_world_from_node = item.placement.T_world_from_node.as_matrix()
        assert np.abs(_world(seen, item.name) - T_world_from_node).max() < _TOLERANCE_M, item.name
        points_node = seen[item.name].points_node
        if item.mesh_node is None:
            assert points_node is None
            continue
        assert points_node is not None
        # Programs may reorder and split vertices: each is compared with its nearest, both ways.
        distance_m = np.linalg.norm(points_node[:, None] - np.asarray(item.mesh_node.vertices)[None], axis=-1)
        assert max(distance_m.min(axis=0).max(), distance_m.min(axis=1).max()) < _TOLERANCE_M, item.name
    camera = _world(seen, "photo_camera")
    assert camera[:3, 3] == pytest.approx(scene.camera.centre_world, abs=_TOLERANCE_M)
    rotation = (scene.camera.T_world_from_cam.rotation * cv_from_gl()).as_matrix()
    assert np.abs(camera[:3, :3] - rotation).max() < _TOLERANCE_M


def test_assimp_reads_the_nodes_where_they_are(tmp_path):
    scene = hand_made_scene()
    seen = _opened_by_assimp(_write(scene, tmp_path))
    _check_nodes(seen, scene)
    assert len(seen) == 1 + 1 + 3 + len(scene.objects)  # room, camera, shell, objects


def test_assimp_finds_textures_and_the_camera(tmp_path):
    program = _program("assimp", "assimp-utils")
    glb = _write(hand_made_scene(), tmp_path)
    # --raw: otherwise assimp merges materials that are equal but for their names.
    done = subprocess.run([program, "info", str(glb), "--raw"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    counts = dict(re.findall(r"^(Meshes|Cameras|Textures \(embed\.\)): +(\d+)$", done.stdout, re.M))
    assert counts == {"Meshes": "7", "Cameras": "1", "Textures (embed.)": "2"}  # table and lamp share one texture
    with_mesh = ("floor", "wall_01", "wall_02", "couch_table_03", "lmp_07", "ball_12", "leaf_13")
    assert set(re.findall(r"'(\w+)' \(prop\)", done.stdout)) == {f"{name}_mat" for name in with_mesh}


def test_godot_imports_the_scene(tmp_path):
    scene = hand_made_scene()
    seen = _opened_by_godot(_write(scene, tmp_path))
    assert seen["room"].parent == "scene"  # Godot adds a root named after the file
    _check_nodes(seen, scene)
    assert len(seen) == 1 + 1 + 1 + 3 + len(scene.objects)
    assert seen["vase_20"].facts["type"] == "Spatial"  # the failed object
    table, leaf, ball = (seen[name].facts for name in ("couch_table_03", "leaf_13", "ball_12"))
    assert [facts["material"] for facts in (table, leaf, ball)] == ["couch_table_03_mat", "leaf_13_mat", "ball_12_mat"]
    assert [facts["texture_width_px"] for facts in (table, leaf, ball)] == [32, 32, 0]
    assert [facts["two_sided"] for facts in (table, leaf, ball)] == [False, True, False]
    fov_y_deg = 2 * np.degrees(np.arctan(scene.camera.size_px[1] / 2 / scene.camera.K[1, 1]))
    camera = seen["photo_camera"].facts["camera"]
    assert camera == pytest.approx({"fov_deg": fov_y_deg, "near_m": 0.05, "far_m": 1000.0}, rel=1e-5)
