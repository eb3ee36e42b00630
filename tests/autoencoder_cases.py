"""Furniture-like solids as meshes in `obj`, reference distances, and a look inside networks with goldens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from golden_cases import GoldenCase
from trimesh import creation
from trimesh.transformations import euler_matrix, translation_matrix

from pixal3d_scene.asset import Mesh
from pixal3d_scene.sparse.tensor import SparseTensor


def traced(module: torch.nn.Module, case: GoldenCase) -> dict[str, torch.Tensor]:
    """Fills, during the next forward pass, with the outputs of those submodules that the golden has traces of."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _m, _i, out: seen.update({name: out.feats if isinstance(out, SparseTensor) else out})

    for path, part in module.named_modules():
        if f"trace_{path}" in case.outputs:
            part.register_forward_hook(keep(f"trace_{path}"))
    return seen


def as_mesh(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(vertices=np.array(solid.vertices, dtype=np.float64), faces=np.array(solid.faces))


def box(size: tuple[float, float, float], at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> trimesh.Trimesh:
    return creation.box(size, translation_matrix(at))


def post(radius: float, low: tuple[float, float, float], high: tuple[float, float, float]) -> trimesh.Trimesh:
    return creation.cylinder(radius, segment=[low, high], sections=24)


def furniture() -> dict[str, trimesh.Trimesh]:
    """Ten closed models, y up, inside the cube of edge 1, turned a little so that nothing lies along the grid."""
    corners = [(x, z) for x in (-0.25, 0.25) for z in (-0.2, 0.2)]
    inner_wall = [(0.13, 0.4), (0.07, 0.25), (0.2, -0.1), (0, -0.3)]
    models = {
        "table": [box((0.7, 0.04, 0.5), (0, 0.2, 0)), *(post(0.025, (x, -0.3, z), (x, 0.2, z)) for x, z in corners)],
        "chair": [
            box((0.5, 0.05, 0.45)),
            box((0.5, 0.4, 0.04), (0, 0.2, -0.2)),
            *(box((0.05, 0.35, 0.05), (0.9 * x, -0.175, 0.9 * z)) for x, z in corners),
        ],
        "sofa": [
            box((0.8, 0.2, 0.4), (0, -0.1, 0)),
            box((0.8, 0.4, 0.12), (0, 0.05, -0.2)),
            *(box((0.12, 0.3, 0.4), (x, 0, 0)) for x in (-0.36, 0.36)),
        ],
        "shelf": [
            *(box((0.03, 0.8, 0.25), (x, 0, 0)) for x in (-0.3, 0.3)),
            *(box((0.6, 0.03, 0.25), (0, y, 0)) for y in (-0.38, -0.13, 0.13, 0.38)),
        ],
        "floor lamp": [
            creation.cylinder(0.15, 0.03, transform=translation_matrix((0, 0, -0.38))),
            creation.cylinder(0.015, 0.7),
            creation.cone(0.18, 0.2, transform=translation_matrix((0, 0, 0.2))),
        ],
        "vase": [creation.revolve([(0, -0.4), (0.15, -0.4), (0.25, -0.1), (0.1, 0.25), (0.16, 0.4), *inner_wall])],
        "ring": [creation.torus(0.3, 0.08)],
        "ball": [creation.icosphere(4, 0.4)],
        "stool": [
            creation.capsule(0.1, 0.25),
            creation.cylinder(0.25, 0.06, transform=translation_matrix((0, 0, -0.2))),
        ],
        "picture frame": [trimesh.boolean.difference([box((0.7, 0.5, 0.04)), box((0.6, 0.4, 0.2))], engine="manifold")],
    }
    turn = euler_matrix(0.21, 0.34, 0.13)
    joined = {}
    for name, parts in models.items():
        whole = trimesh.boolean.union(parts, engine="manifold") if len(parts) > 1 else parts[0]
        assert whole.is_watertight
        joined[name] = whole.apply_transform(turn).apply_translation((0.003, -0.007, 0.011))
    return joined


def distance_obj(points_obj: np.ndarray, mesh_obj: Mesh) -> np.ndarray:
    """From points to the surface itself, not to samples of it."""
    try:
        import open3d as o3d
    except ImportError as error:
        pytest.skip(f"open3d cannot be loaded ({error}); `make system` installs what it needs")

    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(np.asarray(mesh_obj.vertices, dtype=np.float32)),
        o3d.core.Tensor(np.asarray(mesh_obj.faces).astype(np.uint32)),
    )
    return scene.compute_distance(o3d.core.Tensor(points_obj.astype(np.float32))).numpy()


def chamfer_obj(a: Mesh, b: Mesh, count: int = 20000) -> float:
    """Mean of the two mean distances from points of one surface to the other surface."""

    def one_way(source: Mesh, target: Mesh) -> float:
        solid = trimesh.Trimesh(source.vertices, source.faces, process=False)
        return float(distance_obj(trimesh.sample.sample_surface(solid, count, seed=0)[0], target).mean())

    return (one_way(a, b) + one_way(b, a)) / 2
