"""The result: objects with names, parents and transforms, the photo's camera and the room shell.

A directed graph (networkx) inside, typed accessors outside. Node names are unique ASCII words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import networkx as nx
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform

from .arrays import freeze
from .asset import Material, Mesh, Status
from .camera import Camera
from .frames import Similarity
from .instances import Instance
from .room import Room

Relation = Literal["on", "against", "hangs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One thing that an object touches: an edge of the scene graph.

    other: "floor", "ceiling", "wall_…" or the name of another object. confidence: 0 to 1. gap_m: what is left
    between the two, negative inside. middle_world, area_m2: of the patch in which they meet, in plan.
    """

    other: str
    relation: Relation
    confidence: float
    gap_m: float
    middle_world: Float[np.ndarray, "3"]
    area_m2: float = 0.0

    def __post_init__(self) -> None:
        freeze(self, "middle_world")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one object stands and what it stands on.

    T_world_from_node: rigid; node has y up and its origin at the bottom centre of the object's box.
    T_node_from_obj: from the generator's cube to metres in the node frame.
    parent: "floor", "ceiling", "wall_…" or the name of another object.
    residual_m: median distance along the ray between mesh and depth, None without evidence.
    inlier_ratio: share of evidence pixels within the noise bound, None without evidence.
    sigma_scale: standard deviation of log(scale), which is that of log(distance), by the object's own evidence.
    conditioning: share of it that is mere noise of pixels, 0 to 1; None without evidence.
    sigma_m: standard deviation of the position by that evidence. moved_m: how far the object was moved from where
    its own evidence puts it, so that it touches what it stands on and nothing else.
    contacts: the parent's first, then others; the parent's is missing where the object floats.
    mesh_of: name of the object whose mesh this one shows too, where duplicates share one; its node frame is that of
    the mesh then, turned as the object stands.
    """

    name: str
    T_world_from_node: RigidTransform
    T_node_from_obj: Similarity
    parent: str
    relation: Relation
    residual_m: float | None = None
    inlier_ratio: float | None = None
    warnings: tuple[str, ...] = ()
    sigma_scale: float | None = None
    conditioning: float | None = None
    sigma_m: float | None = None
    moved_m: float = 0.0
    contacts: tuple[Contact, ...] = ()
    mesh_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneObject:
    """One object of the scene. mesh_node: in the node frame, m; None only for status "failed"."""

    instance: Instance
    placement: Placement
    mesh_node: Mesh | None
    material: Material
    status: Status
    generator: str
    quality: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.instance.name

    @property
    def size_m(self) -> Float[np.ndarray, "3"]:
        """Extents of the mesh along the node axes; zeros without a mesh."""
        if self.mesh_node is None:
            return np.zeros(3)
        low, high = self.mesh_node.bounds
        return np.asarray(high - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSurface:
    """A plane of the room shell as a mesh in world, with its texture."""

    name: str
    mesh_world: Mesh
    material: Material


class SceneGraph:
    """Objects under `room`, each on the floor, a wall, the ceiling or another object."""

    ROOT = "room"

    def __init__(
        self,
        *,
        camera: Camera,
        objects: Iterable[SceneObject],
        room: Room,
        surfaces: Iterable[RoomSurface] = (),
    ) -> None:
        self.camera = camera
        self.room = room
        self.surfaces = tuple(surfaces)
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._graph.add_node(self.ROOT)
        objects = tuple(objects)
        for item in objects:
            if item.name in self._graph:
                raise ValueError(f"Two objects are named {item.name}.")
            self._graph.add_node(item.name, item=item)
        for item in objects:
            parent = item.placement.parent
            if parent not in self._graph and not parent.startswith(("floor", "wall", "ceiling")):
                raise ValueError(f"{item.name} stands on {parent}, which is neither an object nor part of the room.")
            carrier = parent if parent in self._graph and item.placement.relation == "on" else self.ROOT
            self._graph.add_edge(carrier, item.name, relation=item.placement.relation)
        if not nx.is_arborescence(self._graph):
            raise ValueError("The support relations form a cycle.")

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """All objects, sorted by mask value."""
        items = [data["item"] for _, data in self._graph.nodes(data=True) if "item" in data]
        return tuple(sorted(items, key=lambda item: item.instance.mask_value))

    def __getitem__(self, name: str) -> SceneObject:
        item: SceneObject = self._graph.nodes[name]["item"]
        return item

    def parent_node(self, name: str) -> str:
        """The node that carries `name` in the GLB: another object, or `room`."""
        return str(next(iter(self._graph.predecessors(name))))

    def children(self, name: str) -> tuple[str, ...]:
        """Names of the objects that stand on `name` (or, for `room`, on the shell)."""
        return tuple(sorted(self._graph.successors(name)))

    def top_down(self) -> tuple[SceneObject, ...]:
        """All objects, every carrier before what it carries."""
        order = nx.lexicographical_topological_sort(self._graph)
        return tuple(self[name] for name in order if name != self.ROOT)
