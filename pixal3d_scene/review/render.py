"""Pictures of a scene by ray casting: a scene graph and a camera in world in, an sRGB picture out.

Good enough to judge a result on any machine: textures, two directional lights with the shadow of one,
ambient light. Transparency is drawn as opaque. The room shell is pale, and seen only from inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.spatial.transform import RigidTransform

from ..arrays import read_only
from ..asset import Material, Mesh
from ..camera import Camera
from ..colour import linear_from_srgb, srgb_from_linear
from ..export.normals import smooth_normals
from ..export.shell import shell_surfaces
from ..frames import Similarity
from ..mesh.raycast import Hits, Raycaster
from ..scene_graph import SceneGraph

BACKGROUND = read_only(np.array([0.93, 0.94, 0.95]))  # linear
_AMBIENT, _KEY, _FILL = 0.42, 0.58, 0.2
_KEY_WORLD = read_only(np.array([0.35, 0.85, 0.4]) / np.linalg.norm([0.35, 0.85, 0.4]))
_FILL_WORLD = read_only(np.array([-0.8, 0.35, 0.5]) / np.linalg.norm([-0.8, 0.35, 0.5]))
_SHELL_PALENESS = 0.45
_SHADOW_OFFSET_M = 2e-3
_QUARTERS_PX = read_only(np.array([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Something to draw. pale: share of white that is mixed in."""

    mesh_world: Mesh
    material: Material
    pale: float = 0.0
    casts_shadow: bool = True


def render_scene(scene: SceneGraph, camera: Camera, *, room_shell: bool = True) -> UInt8[np.ndarray, "H W 3"]:
    """The scene as `camera` sees it, at the camera's own size."""
    surfaces = [
        Surface(mesh_world=mesh_in_world(item.mesh_node, item.placement.T_world_from_node), material=item.material)
        for item in scene.objects
        if item.mesh_node is not None
    ]
    if room_shell:
        for surface in shell_surfaces(scene):
            mesh_world = _facing(surface.mesh_world, camera.centre_world)
            surfaces.append(
                Surface(mesh_world=mesh_world, material=surface.material, pale=_SHELL_PALENESS, casts_shadow=False)
            )
    return render(surfaces, camera)


def mesh_in_world(mesh_node: Mesh, T_world_from_node: RigidTransform) -> Mesh:
    """A mesh where its object stands."""
    return mesh_node.transformed(Similarity.from_rigid(T_world_from_node))


def render(surfaces: Sequence[Surface], camera: Camera) -> UInt8[np.ndarray, "H W 3"]:
    """sRGB picture of surfaces in world, at the camera's size: one ray a pixel, four where surfaces meet."""
    studio = _Studio(surfaces)
    centres_px = camera.pixel_centres()
    linear, index = studio.look(camera, centres_px.reshape(-1, 2))
    edge = np.flatnonzero(_edges(index.reshape(camera.shape_hw)))
    quarters_px = centres_px.reshape(-1, 1, 2)[edge] + _QUARTERS_PX  # (E, 4, 2)
    finer, _ = studio.look(camera, quarters_px.reshape(-1, 2))
    linear[edge] = finer.reshape(-1, 4, 3).mean(axis=1)
    coded = srgb_from_linear(np.clip(linear, 0, 1)).reshape(*camera.shape_hw, 3)
    return np.round(255 * coded).astype(np.uint8)


class _Studio:
    """Surfaces with what is needed to draw them again and again."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = [surface for surface in surfaces if len(surface.mesh_world.faces)]
        self._normals = [smooth_normals(surface.mesh_world) for surface in self._surfaces]
        shading = [surface for surface in self._surfaces if surface.casts_shadow]
        self._caster = Raycaster([surface.mesh_world for surface in self._surfaces])
        # An object alone casts all the shadow there is: what it takes to cast rays is not built twice.
        all_shade = len(shading) == len(self._surfaces)
        self._shades = self._caster if all_shade else Raycaster([surface.mesh_world for surface in shading])

    def look(
        self, camera: Camera, points_px: Float[np.ndarray, "n 2"]
    ) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "n"]]:
        """Linear colour through points of the picture, and which surface is there (-1: none)."""
        rays_world = camera.T_world_from_cam.rotation.apply(camera.rays_through(points_px))
        hits = self._caster.cast(camera.centre_world, rays_world)
        seen = np.flatnonzero(hits.hit)
        albedo, normal = _surface_at(self._surfaces, self._normals, hits, seen)
        normal *= np.where(np.einsum("ij,ij->i", normal, rays_world[seen]) > 0, -1, 1)[:, None]  # towards the eye
        at_world = camera.centre_world + hits.t[seen, None] * rays_world[seen] + _SHADOW_OFFSET_M * normal
        lit = ~self._shades.cast(at_world, np.tile(_KEY_WORLD, (len(seen), 1))).hit
        linear = np.tile(BACKGROUND, (len(points_px), 1))
        linear[seen] = albedo * _light(normal, lit)[:, None]
        return linear, np.where(hits.hit, hits.mesh_index, -1)


def _edges(index: Int[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels beside a pixel of another surface."""
    edge = np.zeros(index.shape, dtype=bool)
    across, down = index[:, 1:] != index[:, :-1], index[1:] != index[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def _light(normal_world: Float[np.ndarray, "n 3"], lit: Bool[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    key = _KEY * np.clip(normal_world @ _KEY_WORLD, 0, 1) * lit
    return _AMBIENT + key + _FILL * np.clip(normal_world @ _FILL_WORLD, 0, 1)


def _surface_at(
    surfaces: Sequence[Surface], normals: Sequence[Float[np.ndarray, "_ 3"]], hits: Hits, seen: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Linear albedo and smooth normal where the rays `seen` hit."""
    albedo, normal = np.ones((len(seen), 3)), np.zeros((len(seen), 3))
    for index, surface in enumerate(surfaces):
        here = hits.mesh_index[seen] == index
        rays = seen[here]
        corners = surface.mesh_world.faces[hits.face[rays]]  # (n, 3)
        weights = hits.barycentric[rays]
        normal[here] = np.einsum("nk,nkc->nc", weights, normals[index][corners])
        colour = _albedo(surface, corners, weights)
        albedo[here] = colour + surface.pale * (1 - colour)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return albedo, normal / np.maximum(length, 1e-12)


def _albedo(
    surface: Surface, corners: Int[np.ndarray, "n 3"], weights: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    mesh, material = surface.mesh_world, surface.material
    factor = np.asarray(material.base_colour_factor[:3])
    if material.base_colour is not None and mesh.uv is not None:
        uv = np.einsum("nk,nkc->nc", weights, mesh.uv[corners])
        return factor * sample_texture(material.base_colour, uv)
    if mesh.colours is not None:
        colours = linear_from_srgb(mesh.colours[:, :3].astype(np.float64) / 255)
        return factor * np.einsum("nk,nkc->nc", weights, colours[corners])
    return np.tile(factor, (len(corners), 1))


def sample_texture(picture: UInt8[np.ndarray, "h w c"], uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """Linear colour at uv (top-left origin, v down, repeated beyond 0 to 1), bilinear between texel centres."""
    height, width = picture.shape[:2]
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    texels = [
        _LINEAR_OF_SRGB8[picture[(y0 + dy) % height, (x0 + dx) % width, :3]]
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    top, bottom = texels[0] * (1 - fx) + texels[1] * fx, texels[2] * (1 - fx) + texels[3] * fx
    return top * (1 - fy) + bottom * fy


_LINEAR_OF_SRGB8 = read_only(linear_from_srgb(np.arange(256) / 255))


def _facing(mesh_world: Mesh, eye_world: Float[np.ndarray, "3"]) -> Mesh:
    """Only the triangles that show their front to the eye, so that one sees into the room from outside."""
    corners = mesh_world.vertices[mesh_world.faces]  # (F, 3, 3)
    outwards = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = np.einsum("fc,fc->f", outwards, eye_world - corners[:, 0]) > 0
    return replace(mesh_world, faces=mesh_world.faces[front])
