"""Rooms with known truth and run folders of known quality, for the tests of the evaluation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from pixal3d_scene.asset import Mesh
from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.mesh.raycast import view


@dataclass
class Run:
    """The parts of a run folder, for a test to spoil. nodes: mask value -> (T_world_from_node, mesh)."""

    scene: dict[str, Any]
    nodes: dict[int, tuple[np.ndarray, trimesh.Trimesh]]
    label_map: np.ndarray
    depth_mm: np.ndarray

    def name(self, value: int) -> str:
        return next(item["name"] for item in self.scene["objects"] if item["mask_value"] == value)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        glb = trimesh.Scene()
        for value, (T_world_from_node, mesh) in self.nodes.items():
            name = self.name(value)
            glb.add_geometry(mesh, node_name=name, geom_name=f"mesh_{name}", transform=T_world_from_node)
        glb.export(folder / "scene.glb")
        (folder / "scene.json").write_text(json.dumps(self.scene))
        Image.fromarray(self.label_map).save(folder / "instances.png")
        Image.fromarray(self.depth_mm.astype(np.uint16)).save(folder / "depth.png")


def perfect_run(room: Path) -> Run:
    """What a perfect program would have made of a room: its truth."""
    camera, scene = (json.loads((room / name).read_text()) for name in ("camera.json", "scene.json"))
    truth = trimesh.load_scene(room / "truth.glb")
    nodes, objects = {}, []
    for item in scene["objects"]:
        node = next(n for n in truth.graph.nodes_geometry if n.endswith(f"_{item['id']:02d}"))
        T_world_from_node, geometry = truth.graph[node]
        nodes[item["id"]] = (np.array(T_world_from_node), truth.geometry[geometry])
        parent = "floor" if item["parent"] == 0 else f"object_{item['parent']:02d}"
        objects.append(
            {"name": f"object_{item['id']:02d}", "mask_value": item["id"], "parent": parent, "relation": "on"}
        )
    return Run(
        scene={
            "photo": {"size_px": [camera["width"], camera["height"]]},
            "camera": {"K": camera["K"], "T_world_from_cam": camera["T_world_from_cam"]},
            "objects": objects,
        },
        nodes=nodes,
        label_map=np.array(Image.open(room / "instances.png")),
        depth_mm=np.array(Image.open(room / "depth.png")),
    )


def moved(run: Run, value: int, T: np.ndarray) -> Run:
    """One object moved by `T` in its own node frame."""
    T_world_from_node, mesh = run.nodes[value]
    return replace(run, nodes={**run.nodes, value: (T_world_from_node, mesh.copy().apply_transform(T))})


def shift(x: float, y: float, z: float) -> np.ndarray:
    return trimesh.transformations.translation_matrix([x, y, z])


def scaling(factor: float) -> np.ndarray:
    return np.diag([factor, factor, factor, 1.0])


def l_shape(*, size_m: float) -> trimesh.Trimesh:
    """An upright L of two boxes, bottom centre at the origin: no mirror symmetry to the left and right."""
    foot = trimesh.creation.box(bounds=[[-size_m / 2, 0, -size_m / 4], [size_m / 2, size_m / 4, size_m / 4]])
    # The stem ends inside the foot and a little behind its faces, so that no two corners coincide and merge.
    inset_m = 0.001
    stem = trimesh.creation.box(
        bounds=[
            [-size_m / 2 + inset_m, size_m / 8, -size_m / 4 + inset_m],
            [-size_m / 4, size_m, size_m / 4 - inset_m],
        ]
    )
    return trimesh.util.concatenate([foot, stem])


def write_block_room(folder: Path) -> None:
    """A box (1) at the left and an upright L (2) at the right on the floor, before a level camera."""
    camera = Camera.from_focal(focal_px=300.0, size_px=(400, 300)).at(world_from_level_camera(height_m=1.0))
    placed = {
        1: (shift(-0.8, 0.0, -3.0), trimesh.creation.box(bounds=[[-0.4, 0, -0.3], [0.4, 0.8, 0.3]])),
        2: (shift(0.7, 0.0, -3.5), l_shape(size_m=1.0)),
    }
    worlds = {value: mesh.copy().apply_transform(T) for value, (T, mesh) in placed.items()}
    hits = view(
        [Mesh(vertices=camera.cam_from_world(np.array(m.vertices)), faces=np.array(m.faces)) for m in worlds.values()],
        camera,
    )
    label_map = np.where(hits.hit, np.array(list(placed))[hits.mesh_index], 0).astype(np.uint8)
    folder.mkdir(parents=True)
    Image.fromarray(label_map).save(folder / "instances.png")
    Image.fromarray(np.where(hits.hit, hits.t * 1000, 0).round().astype(np.uint16)).save(folder / "depth.png")
    points = {f"points_{v}": trimesh.sample.sample_surface(m, 4000, seed=1)[0] for v, m in worlds.items()}
    np.savez(folder / "truth.npz", **{name: p.astype(np.float32) for name, p in points.items()})
    glb = trimesh.Scene()
    for value, (T_world_from_node, mesh) in placed.items():
        glb.add_geometry(mesh, node_name=f"thing_{value:02d}", transform=T_world_from_node)
    glb.export(folder / "truth.glb")
    pose = camera.T_world_from_cam.as_matrix().tolist()
    (folder / "camera.json").write_text(
        json.dumps({"width": 400, "height": 300, "K": camera.K.tolist(), "T_world_from_cam": pose})
    )
    objects = [{"id": v, "parent": 0, "visible_pixels": int((label_map == v).sum())} for v in placed]
    (folder / "scene.json").write_text(json.dumps({"objects": objects}))
