"""The last resort: a closed box around what the photo shows of an object, coloured like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..asset import Material, Mesh, ObjectAsset
from ..code_revision import code_revision
from ..crop import CropVolume
from ..progress import Progress

# Corners of the unit cube and its outward triangles.
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


class Boxes:
    """The generator that cannot fail; as a generator of its own it shows a layout without any shapes."""

    name = "box"

    def __init__(self) -> None:
        self.revision = code_revision("generator/box.py")

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> Iterator[ObjectAsset]:
        """See `ObjectGenerator`; every result is a box."""
        del seeds
        for volume in volumes:
            yield box_asset(volume, reason="no other shape was asked for.")
            progress.step(volume.name)


def box_asset(volume: CropVolume, *, reason: str) -> ObjectAsset:
    """A box as wide and high as the mask, half as deep as wide, in the middle of the generator's cube."""
    alpha = volume.rgba[..., 3] > 127
    rows, columns = np.nonzero(alpha)
    size = volume.rgba.shape[0]
    if not len(rows):  # a mask smaller than a crop pixel
        rows = columns = np.array([size // 2])
    x = (np.array([columns.min(), columns.max() + 1]) / size) - 0.5
    y = 0.5 - (np.array([rows.max() + 1, rows.min()]) / size)
    half_depth = (x[1] - x[0]) / 4
    low, high = np.array([x[0], y[0], -half_depth]), np.array([x[1], y[1], half_depth])
    colour = volume.photo_rgb[volume.mask].mean(axis=0).round().astype(np.uint8)
    return ObjectAsset(
        mask_value=volume.instance.mask_value,
        mesh_obj=Mesh(
            vertices=low + _CORNERS * (high - low),
            faces=_FACES,
            colours=np.tile(np.append(colour, np.uint8(255)), (len(_CORNERS), 1)),
        ),
        material=Material(),
        camera_distance_obj=volume.camera_distance_obj,
        expected_scale_m=None,
        generator="box",
        status="box",
        notes=(f"Only a box: {reason}",),
    )
