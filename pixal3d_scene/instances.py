"""The objects of a photo as a label map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from .arrays import check_shape, freeze, nearest
from .errors import InputError
from .shell_parts import SHELL_PARTS as SHELL_PARTS

# An object labelled like a part of the room must not take that part's node name.
_NAMES_OF_THE_SHELL = frozenset({"floor", "wall", "ceiling", "room", "photo_camera"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One object of the photo.

    mask_value: its value in the label map, 1 to 65535, kept from the user's own mask.
    label: a word such as "armchair"; "object" where nobody knows.
    score: confidence of the segmenter, 0 to 1.
    flags: remarks such as "touches_border" or "tiny".
    """

    mask_value: int
    label: str = "object"
    score: float = 1.0
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique ASCII name of its scene node, such as `armchair_03`."""
        ascii_label = self.label.encode("ascii", "ignore").decode().lower()
        word = "_".join("".join(c if c.isalnum() else " " for c in ascii_label).split())
        if word in _NAMES_OF_THE_SHELL:
            word = f"{word}_object"
        return f"{word or 'object'}_{self.mask_value:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A region that a segmenter found and left out, with the reason."""

    reason: str
    area_px: int
    centre_px: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """Label map of the oriented photo: 0 = no object, otherwise the `mask_value` of one of `items`.

    items: sorted by mask_value; every one has at least one pixel.
    shell_map: index into SHELL_PARTS of the pixels that a segmenter took for part of the room; None where it did
    not look for it.
    """

    label_map: UInt16[np.ndarray, "H W"]
    items: tuple[Instance, ...]
    source: str
    rejected: tuple[Rejection, ...] = ()
    notes: tuple[str, ...] = ()
    shell_map: UInt8[np.ndarray, "H W"] | None = None

    def __post_init__(self) -> None:
        listed = [i.mask_value for i in self.items]
        present = [int(v) for v in np.unique(self.label_map) if v]
        if listed != present:
            raise InputError(f"The label map holds the values {present}, but the instances are {listed}.")
        freeze(self, "label_map")
        if self.shell_map is not None:
            check_shape("Instances.shell_map", self.shell_map, self.label_map.shape)
            freeze(self, "shell_map")

    def mask(self, mask_value: int) -> Bool[np.ndarray, "H W"]:
        """Pixels of one object."""
        return self.label_map == mask_value

    def resized(self, size_px: tuple[int, int]) -> Instances:
        """The same objects at another size (width, height) by the nearest pixel; what has none is rejected."""
        if size_px == (self.label_map.shape[1], self.label_map.shape[0]):
            return self
        return self.on(nearest(self.label_map, size_px), why="too small at the size that is worked on")

    def on(self, label_map: UInt16[np.ndarray, "H W"], *, why: str) -> Instances:
        """The objects that another label map still shows; the others become rejections, with `why` as the reason.

        The shell is dropped: its map belongs to the old pixels.
        """
        present = set(np.unique(label_map).tolist())
        lost = []
        for item in self.items:
            if item.mask_value not in present:
                rows, columns = np.nonzero(self.label_map == item.mask_value)
                centre_px = (float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)
                lost.append(Rejection(reason=f"{item.name}: {why}", area_px=len(rows), centre_px=centre_px))
        if len(lost) == len(self.items):
            raise InputError(f"No object is left of the masks: all are {why}.")
        return replace(
            self,
            label_map=label_map,
            items=tuple(item for item in self.items if item.mask_value in present),
            rejected=(*self.rejected, *lost),
            notes=(*self.notes, *(f"Left out: {r.reason}." for r in lost)),
            shell_map=None,
        )

    def __len__(self) -> int:
        return len(self.items)
