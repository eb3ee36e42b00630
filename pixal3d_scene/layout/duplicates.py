"""Objects that are one model several times (four equal chairs), and one mesh for all of them.

Placed objects enter. Shape in metres, colour and, where it is known, the label must all agree. Of a group the best
view wins: the largest one, least hidden and least cut off. Its mesh is laid on every other member's own depth and
silhouette; a member that it does not fit keeps its own mesh, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial.transform import RigidTransform

from ..asset import Mesh, ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity
from ..scene_graph import Placement
from .depth_scale import mask_window
from .evidence import noise_of
from .likeness import Cloud, Colours, colour_difference, shape_difference
from .noise import DepthNoise
from .registration import Registration, measure_fit, register

# Heights, and sides seen from above, of one model as two views of it show them.
_HEIGHT_RATIO, _PLAN_RATIO = 1.15, 1.35
# Mean distance of the surfaces as a share of the size. True meshes of one model are at 0.006, completed ones of visible
# surfaces at 0.02 to 0.035, different chairs from 0.042 on.
_MOST_SHAPE_DIFFERENCE = 0.04
# CIELAB units. One model in one room's light differs by up to 5, other things of a like shape from 6.8 on.
_MOST_COLOUR_DIFFERENCE = 6.0
# A mirror image that fits so much better shows that one is the other's counterpart: a left and a right corner sofa.
_MIRROR_IMAGE = 0.6
# The shared mesh must explain a member's mask nearly as well as its own mesh does, and its depth.
_LEAST_SILHOUETTE, _MOST_DEPTH_SHARE = 0.85, 0.03
_UNKNOWN_LABEL = "object"
# Width of the ring around a mask in which it is looked for what hides the object.
_RING_PX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Names of objects that look like one model; `model`: the one with the best view."""

    model: str
    others: tuple[str, ...]

    @property
    def note(self) -> str:
        """For a person, where every object keeps its own mesh."""
        names = sorted((self.model, *self.others))
        return f"{_listed(names)} look like one model; --share-duplicates gives all of them the mesh of {self.model}."


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMeshes:
    """assets: with the shared meshes in the cubes of their objects. T_node_from_obj: what fixes size and node frame of
    everything that shares. mesh_of: whose mesh an object shows. notes: what was shared and what was not, and why.
    """

    assets: tuple[ObjectAsset, ...]
    T_node_from_obj: dict[str, Similarity]
    mesh_of: dict[str, str]
    notes: tuple[str, ...]


def find_duplicates(
    assets: Sequence[ObjectAsset], volumes: Sequence[CropVolume], placements: Sequence[Placement]
) -> tuple[Duplicates, ...]:
    """Groups of two and more, in the order of their models' names."""
    of = {v.name: _Candidate(a, v, p) for a, v, p in zip(assets, volumes, placements, strict=True)}
    names = [name for name, item in of.items() if item.asset.status in ("generated", "lifted")]
    members: dict[str, list[str]] = {}
    # The best views first: whoever is like none of them is a model of its own, and likeness is no chain.
    for name in sorted(names, key=lambda name: (-of[name].view_quality, name)):
        model = next((model for model in members if _alike(of[model], of[name])), None)
        if model is None:
            members[name] = []
        else:
            members[model].append(name)
    groups = [Duplicates(model=model, others=tuple(sorted(others))) for model, others in members.items() if others]
    return tuple(sorted(groups, key=lambda group: group.model))


def share_meshes(
    groups: Sequence[Duplicates],
    assets: Sequence[ObjectAsset],
    volumes: Sequence[CropVolume],
    placements: Sequence[Placement],
) -> SharedMeshes:
    """The model's mesh for every member that it fits."""
    noise = noise_of(volumes)
    of = {v.name: _Candidate(a, v, p) for a, v, p in zip(assets, volumes, placements, strict=True)}
    replaced: dict[str, ObjectAsset] = {}
    T_node_from_obj: dict[str, Similarity] = {}
    mesh_of: dict[str, str] = {}
    notes: list[str] = []
    for group in groups:
        model = of[group.model]
        for name in group.others:
            fit, reason = _fit(model, of[name], noise)
            if reason is not None:
                notes.append(f"{name} looks like {group.model}, but keeps its own mesh: {reason}.")
                continue
            replaced[name], T_node_from_obj[name] = _with_mesh_of(model, of[name], fit.T_world_from_node)
            mesh_of[name] = group.model
        if group.model in mesh_of.values():
            T_node_from_obj[group.model] = model.placement.T_node_from_obj
            shares = sorted(name for name, whose in mesh_of.items() if whose == group.model)
            notes.append(f"{_listed(shares)} share{'s' * (len(shares) == 1)} the mesh of {group.model}.")
    return SharedMeshes(
        assets=tuple(replaced.get(v.name, a) for a, v in zip(assets, volumes, strict=True)),
        T_node_from_obj=T_node_from_obj,
        mesh_of=mesh_of,
        notes=tuple(notes),
    )


class _Candidate:
    """One placed object with what comparisons need."""

    def __init__(self, asset: ObjectAsset, volume: CropVolume, placement: Placement) -> None:
        self.asset, self.volume, self.placement = asset, volume, placement
        self.mesh_node = asset.mesh_obj.transformed(placement.T_node_from_obj)
        self.height_m = float(np.ptp(self.mesh_node.bounds[:, 1]))
        self.plan_m = _plan_m(self.mesh_node)

    @cached_property
    def view_quality(self) -> float:
        return view_quality(self.volume)

    @cached_property
    def colours(self) -> Colours:
        return Colours(self.volume)

    @cached_property
    def cloud(self) -> Cloud:
        return Cloud.of(self.mesh_node)


def view_quality(volume: CropVolume) -> float:
    """Area of the mask, px, times the square of the share of its rim where it ends for no other reason than its own."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    window = mask_window(volume.mask, margin_px=_RING_PX)

    def padded(values: np.ndarray) -> np.ndarray:
        return np.pad(values[window], _RING_PX)

    mask, valid, z_m = padded(volume.mask), padded(volume.depth.valid), padded(volume.depth.z_m)
    ring = binary_dilation(mask, iterations=_RING_PX) & ~mask
    own_rows, own_columns = distance_transform_edt(~mask, return_distances=False, return_indices=True)[:, ring]
    known = valid[ring] & valid[own_rows, own_columns]
    nearer = z_m[ring] < z_m[own_rows, own_columns]
    hidden = (padded(volume.label_map)[ring] > 0) & (~known | nearer)
    outside = _outside(volume, window)[ring]
    free = 1 - float((hidden | outside).mean())
    return float(mask.sum()) * free**2


def _outside(volume: CropVolume, window: tuple[slice, slice]) -> np.ndarray:
    """Padded pixels of a window that lie outside the picture."""
    height, width = volume.label_map.shape
    rows, columns = (
        np.arange(part.start - _RING_PX, min(part.stop, size) + _RING_PX)
        for part, size in zip(window, (height, width), strict=True)
    )
    return ((rows < 0) | (rows >= height))[:, None] | ((columns < 0) | (columns >= width))[None, :]


def _alike(first: _Candidate, second: _Candidate) -> bool:
    labels = {item.volume.instance.label for item in (first, second)} - {_UNKNOWN_LABEL}
    if len(labels) > 1 or not _within(first.height_m, second.height_m, _HEIGHT_RATIO):
        return False
    if not _within(first.plan_m, second.plan_m, _PLAN_RATIO):
        return False
    if colour_difference(first.colours, second.colours) > _MOST_COLOUR_DIFFERENCE:
        return False
    shape = shape_difference(first.cloud, second.cloud)
    return shape.share <= _MOST_SHAPE_DIFFERENCE and shape.mirrored_share > _MIRROR_IMAGE * shape.share


def _within(a: float, b: float, ratio: float) -> bool:
    return max(a, b) <= ratio * min(a, b)


def _plan_m(mesh_node: Mesh) -> float:
    """Largest distance of the surface from its own vertical axis, which no turn changes."""
    low, high = mesh_node.bounds
    middle = (low + high)[[0, 2]] / 2
    return float(np.linalg.norm(mesh_node.vertices[:, [0, 2]] - middle, axis=1).max())


def _fit(model: _Candidate, other: _Candidate, noise: DepthNoise) -> tuple[Registration, str | None]:
    """Where the model's mesh stands as `other`, and why it may not stand there."""
    T_world_from_node = other.placement.T_world_from_node
    own = measure_fit(other.mesh_node, other.volume, T_world_from_node, noise)
    if own.depth_share is None:
        return own, "no depth shows where it stands"
    foot_world = np.asarray(T_world_from_node.translation, dtype=np.float64)
    fit = register(model.mesh_node, other.volume, foot_world, noise)
    least = _LEAST_SILHOUETTE * own.silhouette_iou
    most = max(_MOST_DEPTH_SHARE, 2 * own.depth_share)
    whose = f"the mesh of {model.volume.name}"
    if fit.silhouette_iou < least:
        return (
            fit,
            f"{whose} has an outline that overlaps its mask by {fit.silhouette_iou:.0%} only ({least:.0%} is needed)",
        )
    if fit.depth_share is not None and fit.depth_share > most:
        return fit, f"{whose} would lie {fit.depth_share:.1%} of its size beside its depth (at most {most:.1%})"
    return fit, None


def _with_mesh_of(
    model: _Candidate, other: _Candidate, T_world_from_node: RigidTransform
) -> tuple[ObjectAsset, Similarity]:
    """The other's asset with the model's mesh in its cube where it is placed now, and the `T_node_from_obj` of that."""
    T_world_from_obj = Similarity.from_rigid(other.placement.T_world_from_node) @ other.placement.T_node_from_obj
    T_node_from_obj = Similarity.from_rigid(T_world_from_node).inverse() @ T_world_from_obj
    asset = replace(
        model.asset,
        mask_value=other.asset.mask_value,
        mesh_obj=model.mesh_node.transformed(T_node_from_obj.inverse()),
        camera_distance_obj=other.asset.camera_distance_obj,
        expected_scale_m=T_node_from_obj.scale,
        notes=(*other.asset.notes, f"Shares the mesh of {model.volume.name}."),
    )
    return asset, T_node_from_obj


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
