"""The texture of a lifted mesh: the crop picture itself, and for every corner of the mesh where it lies in it.

A triangle that the photo shows takes the picture there. A hidden one takes the picture of its mirror image in the
object's box, if the photo shows that, and otherwise of the nearest surface that the photo shows. Frames: `world`
for the mesh, `photo` px for visibility, uv of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from ..asset import Material, Mesh
from ..crop import CropVolume
from .lift_view import OBJECT, ObjectView, flat_index
from .lift_volume import COPIES, Solid

# A triangle turned further away from its camera than this (cosine) shows a smear of few pixels: look elsewhere.
_GRAZING = 0.1
# A hidden triangle whose corners' nearest visible points lie further apart in the picture than this many times its
# own size takes one colour: it bridges two unrelated places.
_STRETCH = 3.0
_SMALLEST_TEXTURE_PX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where points of the mesh look for their colour: their own place or a mirror image of it in the box."""

    flips: tuple[int, ...]
    solid: Solid

    def moved(self, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        box = self.solid.grid.box
        return box.world_from_box(box.mirrored(box.box_from_world(points_world), self.flips))

    def turned(self, directions_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        box = self.solid.grid.box
        directions = box.box_from_world(directions_world)
        directions[:, list(self.flips)] *= -1
        return box.world_from_box(directions)


def paint(
    mesh_world: Mesh, volume: CropVolume, view: ObjectView, solid: Solid, *, texture_px: int
) -> tuple[Mesh, Material]:
    """The mesh with uv, its corners doubled along seams (at equal positions), and its material."""
    sources = [_Source(flips=(), solid=solid)] + [_Source(flips=axes, solid=solid) for axes in COPIES.values()]
    chart = _choose_sources(mesh_world, view, sources, tolerance_m=2 * solid.grid.spacing_m)
    nearest = len(sources)
    corner_chart = np.repeat(chart, 3)
    keys = corner_chart * len(mesh_world.vertices) + mesh_world.faces.ravel()
    keys, corners = np.unique(keys, return_inverse=True)
    vertex_chart, vertex = np.divmod(keys, len(mesh_world.vertices))
    points_world = mesh_world.vertices[vertex]
    photo_px = np.zeros((len(keys), 2))
    for k, source in enumerate(sources):
        of_chart = vertex_chart == k
        photo_px[of_chart] = _project(view, source.moved(points_world[of_chart]))
    of_chart = vertex_chart == nearest
    photo_px[of_chart] = _nearest_visible_px(view, points_world[of_chart])
    textured = Mesh(vertices=points_world, faces=corners.reshape(-1, 3), uv=photo_px)
    textured = _without_bridges(textured, chart == nearest, view)
    assert textured.uv is not None
    uv = uv_in_crop(textured.uv, volume)
    picture = crop_picture(volume, texture_px)
    return Mesh(vertices=textured.vertices, faces=textured.faces, uv=uv), Material(base_colour=picture)


def _choose_sources(
    mesh_world: Mesh, view: ObjectView, sources: list[_Source], *, tolerance_m: float
) -> Int[np.ndarray, "F"]:
    """Per triangle the first source that shows it well; `len(sources)` where none does."""
    a, b, c = (mesh_world.vertices[mesh_world.faces[:, k]] for k in range(3))
    centres, normals = (a + b + c) / 3, np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    facing = np.stack([_facing(view, s.moved(centres), s.turned(normals), tolerance_m) for s in sources])  # (K, F)
    own = facing[0] > _GRAZING
    copies = np.stack([_smooth_over_faces(f, mesh_world) for f in facing[1:]])
    return np.where(own, 0, np.where(copies.max(axis=0) > _GRAZING, 1 + copies.argmax(axis=0), len(sources)))


def _smooth_over_faces(values: Float[np.ndarray, "F"], mesh: Mesh) -> Float[np.ndarray, "F"]:
    """Mean over the triangles around each triangle's corners: neighbours shall not alternate between sources."""
    corners = mesh.faces.ravel()
    count = np.maximum(np.bincount(corners, minlength=len(mesh.vertices)), 1)
    for _ in range(2):
        at_vertex = np.bincount(corners, weights=np.repeat(values, 3), minlength=len(mesh.vertices)) / np.maximum(
            count, 1
        )
        values = at_vertex[mesh.faces].mean(axis=1)
    return values


def _facing(
    view: ObjectView,
    points_world: Float[np.ndarray, "n 3"],
    normals_world: Float[np.ndarray, "n 3"],
    tolerance_m: float,
) -> Float[np.ndarray, "n"]:
    """Cosine between the normal and the direction to the camera; 0 where the photo does not show the point."""
    to_eye = view.camera.centre_world - points_world
    cosine = np.einsum("ij,ij->i", normals_world, to_eye) / np.linalg.norm(to_eye, axis=1)
    z_m = view.camera.cam_from_world(points_world)[:, 2]
    index, inside = flat_index(view, _project(view, points_world))
    surface_m = 1 / np.maximum(view.inverse_z.ravel()[index], 1e-6)
    # A slanted surface changes its depth within the pixel and the tolerance, the more the flatter it is seen.
    shown = np.abs(z_m - surface_m) * np.clip(cosine, 0.2, 1) < tolerance_m
    return np.where(inside & shown & (view.kind.ravel()[index] == OBJECT), cosine, 0.0)


def _project(view: ObjectView, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    points_cam = view.camera.cam_from_world(points_world)
    points_cam[:, 2] = np.maximum(points_cam[:, 2], 1e-3)  # a completed far side may reach behind a close camera
    return view.camera.project(points_cam)


def _nearest_visible_px(view: ObjectView, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    """Photo pixel of the visible surface point nearest to each point."""
    from scipy.spatial import cKDTree

    rows, columns = np.nonzero(view.kind == OBJECT)
    step = max(1, len(rows) // 20_000)  # neighbours in the picture have nearly the same colour
    rows, columns = rows[::step], columns[::step]
    pixels = np.stack([columns + view.origin_px[0], rows + view.origin_px[1]], axis=-1) + 0.5
    visible_world = view.camera.world_from_cam(view.camera.unproject(pixels, 1 / view.inverse_z[rows, columns]))
    _, nearest = cKDTree(visible_world).query(points_world)
    return pixels[nearest]


def _without_bridges(mesh: Mesh, hidden: Bool[np.ndarray, "F"], view: ObjectView) -> Mesh:
    """Hidden triangles that would stretch over the picture get corners of their own with one place in it."""
    assert mesh.uv is not None
    spread_px = np.ptp(mesh.uv[mesh.faces], axis=1).max(axis=1)
    size_m = np.ptp(mesh.vertices[mesh.faces], axis=1).max(axis=1)
    z_m = view.camera.cam_from_world(mesh.vertices[mesh.faces[:, 0]])[:, 2]
    bridges = hidden & (spread_px > 2 + _STRETCH * size_m / np.maximum(z_m, 1e-3) * view.camera.K[0, 0])
    faces = mesh.faces.copy()
    added = faces[bridges]
    faces[bridges] = len(mesh.vertices) + np.arange(added.size).reshape(-1, 3)
    # A third of a pixel apart, so that the triangle keeps an area in the texture.
    place = mesh.uv[added[:, 0]][:, None] + np.array([[0.0, 0.0], [0.3, 0.0], [0.0, 0.3]])
    return Mesh(
        vertices=np.concatenate([mesh.vertices, mesh.vertices[added.ravel()]]),
        faces=faces,
        uv=np.concatenate([mesh.uv, place.reshape(-1, 2)]),
    )


def uv_in_crop(photo_px: Float[np.ndarray, "n 2"], volume: CropVolume) -> Float[np.ndarray, "n 2"]:
    """Photo pixels to the crop's texture coordinates (v down)."""
    homogeneous = np.concatenate([photo_px, np.ones((len(photo_px), 1))], axis=1) @ volume.A_crop_from_photo.T
    return np.clip(homogeneous[:, :2] / homogeneous[:, 2:] / volume.rgba.shape[0], 0, 1)


def crop_picture(volume: CropVolume, texture_px: int) -> UInt8[np.ndarray, "s s 3"]:
    """The crop, no larger than the photo's own pixels; the object's colours go on outside its mask."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt, maximum_filter

    extent_px = max(int(volume.mask.any(axis=0).sum()), int(volume.mask.any(axis=1).sum()))
    side_px = _SMALLEST_TEXTURE_PX
    while side_px < min(extent_px, texture_px) and side_px * 2 <= texture_px:
        side_px *= 2
    rgba = np.asarray(Image.fromarray(volume.visible_rgba).resize((side_px, side_px), Image.Resampling.BOX))
    inner_px = distance_transform_edt(rgba[..., 3] > 127)
    # Pixels at the mask's edge mix in the background. Thin parts have no others: their middle line stays.
    border_px = 1.2 * side_px / extent_px
    ridge = (inner_px > 0) & (inner_px == maximum_filter(inner_px, size=3))
    trusted = (inner_px > border_px) | ridge
    if not trusted.any():
        return np.ascontiguousarray(rgba[..., :3])
    rows, columns = distance_transform_edt(~trusted, return_distances=False, return_indices=True)
    return np.ascontiguousarray(rgba[rows, columns, :3])
