"""Protocol P-Gen3DSR: the metric figures of Gen3DSR on whole views (Dogaru et al. 2025, its public `eval_front.py`).

In: a `TrueRoom` with truth.glb and a `ReviewedRun`. Out: a `Score`. Frame: `cam`, metres, no alignment of any kind
and no pairing: all surfaces are one surface.

Objects are clipped to the frustum of the photo, joined, and sampled with 1,000,000 points uniformly by area. Chamfer
distance = mean of the two mean *unsquared* distances; F-scores at 0.1, 0.01 and 0.001 m. Without background: objects
only. With it: plus the visible background on both sides. The true background is the surface through the depth of all
pixels that show no object; the run's is what its room shell shows in the same pixels (there, too, the prediction is
cut to the pixels where the truth is known).

Assumed: every object of truth.glb counts, clipped as the run's are (there, the data set comes clipped). The true
depth is stored in millimetres, which F@0.001_bg feels. Without a true background (no depth beside the objects) or
without a room shell in the run there are no figures with background, and a note says so. Gen3DSR leaves an empty
result out of its means; here it counts as failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from trimesh.intersections import slice_faces_plane

from ..camera import Camera
from ..errors import InputError
from ..mesh.raycast import view
from .metrics import Surface, gap, surface_points
from .protocol import Score
from .room_files import ReviewedRun, TrueRoom

_TRUTH_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gen3dsrProtocol:
    """The published numbers are the defaults; fewer points are for tests."""

    points_per_scene: int = 1_000_000
    taus_m: tuple[float, ...] = (0.1, 0.01, 0.001)

    name: ClassVar[str] = "P-Gen3DSR"
    meanings: ClassVar[Mapping[str, str]] = {
        "CD": "Chamfer distance of the objects in m, mean of both ways, not squared, no alignment",
        "F@0.1": "F-score of the objects at 10 cm",
        "F@0.01": "at 1 cm",
        "F@0.001": "at 1 mm",
        "CD_bg": "Chamfer distance with the visible background",
        "F@0.1_bg": "F-score with the visible background at 10 cm",
        "F@0.01_bg": "at 1 cm",
        "F@0.001_bg": "at 1 mm",
    }

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "chamfer": "unsquared, mean of both directions",
            "alignment": "none",
            "frame": "photo's camera in metres, clipped to its frustum",
            "pairing": "none, whole scene",
        }

    def score(self, truth: TrueRoom, run: ReviewedRun) -> Score:
        """See `EvaluationProtocol.score`."""
        true_cam = in_frustum(list(truth.meshes_needed_by(self.name).values()), truth.camera)
        found_cam = in_frustum([item.mesh_cam for item in run.objects], truth.camera)
        if not len(found_cam.faces):
            raise InputError(f"The run of {truth.name} has no object in the photo's frustum; nothing can be measured.")
        if not len(true_cam.faces):
            raise InputError(f"{truth.name} has no object in the photo's frustum; leave this room out of the set.")
        figures = self._figures(true_cam, found_cam, suffix="")
        behind = (truth.label_map == 0) & (truth.z_m > 0)
        true_bg_cam = depth_surface(truth.camera, truth.z_m, behind)
        notes: tuple[str, ...] = ()
        if not len(true_bg_cam.faces):
            notes = ("no figures with background: the truth has no depth beside its objects",)
        elif run.background_cam is None:
            notes = ("no figures with background: the run has no room shell",)
        else:
            seen = view([run.background_cam], truth.camera)
            found_bg_cam = depth_surface(truth.camera, seen.t, behind & seen.hit)
            figures |= self._figures(
                trimesh.util.concatenate([true_cam, true_bg_cam]),
                trimesh.util.concatenate([found_cam, found_bg_cam]),
                suffix="_bg",
            )
        return Score(true_objects=len(truth.meshes_cam), matched_objects=None, figures=figures, notes=notes)

    def _figures(self, true_cam: trimesh.Trimesh, found_cam: trimesh.Trimesh, *, suffix: str) -> dict[str, float]:
        surface = Surface(surface_points(true_cam, self.points_per_scene, seed=_TRUTH_SEED))
        between = gap(surface_points(found_cam, self.points_per_scene), surface)
        f_scores = {f"F@{tau_m:g}{suffix}": between.f_score(tau_m) for tau_m in self.taus_m}
        return {f"CD{suffix}": between.mean_chamfer, **f_scores}


def in_frustum(meshes_cam: Sequence[Any], camera: Camera) -> trimesh.Trimesh:
    """All meshes as one, cut at the four planes through the camera's centre and the borders of its picture."""
    bare = [trimesh.Trimesh(mesh.vertices, mesh.faces) for mesh in meshes_cam]
    scene = trimesh.util.concatenate(bare) if bare else trimesh.Trimesh()
    vertices, faces = scene.vertices, scene.faces
    width, height = camera.size_px
    x, y, z = camera.K
    for inwards in (x, width * z - x, y, height * z - y):
        if len(faces):
            vertices, faces, _ = slice_faces_plane(vertices, faces, inwards / np.linalg.norm(inwards), np.zeros(3))
    return trimesh.Trimesh(vertices, faces)


def depth_surface(camera: Camera, z_m: Float[np.ndarray, "H W"], wanted: Bool[np.ndarray, "H W"]) -> trimesh.Trimesh:
    """The surface through the wanted pixels' points: two triangles wherever four neighbours are wanted."""
    index = np.arange(z_m.size).reshape(z_m.shape)
    whole = wanted[:-1, :-1] & wanted[:-1, 1:] & wanted[1:, :-1] & wanted[1:, 1:]
    a, b, c, d = (part[whole] for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    faces = np.concatenate([np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)])
    points_cam = camera.unproject(camera.pixel_centres(), np.where(wanted, z_m, 0.0))
    surface = trimesh.Trimesh(points_cam.reshape(-1, 3), faces, process=False)
    surface.remove_unreferenced_vertices()
    return surface
