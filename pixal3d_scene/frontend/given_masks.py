"""The user's own masks: a label map file in, `Instances` of the oriented photo out, values kept."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt16
from PIL import Image

from ..errors import InputError
from ..instances import Instance, Instances
from .given_picture import open_picture_of_photo

MOST_OBJECTS = 4096  # more distinct values than this are a photo or a depth map, not a label map
_TINY_AREA_SHARE = 0.0005
_LARGEST_VALUE = 65535


def read_masks(path: Path, size_px: tuple[int, int]) -> Instances:
    """One object per value of a label map; 0 is the background.

    8 or 16 bit grey: the value is the object's `mask_value`; palette: the index is, its colour does not matter.
    Colour (or colour with transparency): every colour other than black is an object, numbered in the order of
    its red-green-blue value. size_px: (width, height) of the oriented photo.
    Raises InputError for a missing or damaged file, another size, lossy compression, or no object at all.
    """
    image = open_picture_of_photo(path, size_px, what="mask")
    if image.format in ("JPEG", "MPO", "JPEG2000", "HEIF", "AVIF"):
        raise InputError(f"The mask {path} is a {image.format}, whose compression changes values; save it as PNG.")
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = _label_values(image, path, notes)
            frames = getattr(image, "n_frames", 1)
    except InputError:
        raise
    except Exception as error:  # Pillow's parsers raise nearly every built-in type on damaged data
        raise InputError(f"The mask {path} is damaged or cut off ({error}); export or copy it again.") from error
    if frames > 1:
        notes.append(f"{path.name} has {frames} frames; the first one is used.")
    label_map = _checked(values, path)
    if label_map.all():
        notes.append(f"{path.name} has no pixel of value 0, so that floor and walls, too, count as objects.")
    return instances_from_label_map(label_map, source="given", notes=tuple(notes))


def instances_from_label_map(
    label_map: UInt16[np.ndarray, "H W"], *, source: str, notes: tuple[str, ...] = ()
) -> Instances:
    """One `Instance` with the label "object" per value but 0, with its flags."""
    return Instances(label_map=label_map, items=items_of(label_map), source=source, notes=notes)


def items_of(label_map: UInt16[np.ndarray, "H W"]) -> tuple[Instance, ...]:
    """Every value but 0 as an object without a name, flagged where it touches the border or is tiny."""
    mask_values, areas_px = np.unique(label_map[label_map > 0], return_counts=True)
    border = np.concatenate([label_map[0], label_map[-1], label_map[:, 0], label_map[:, -1]])
    at_border = set(np.unique(border).tolist())
    items = []
    for value, area_px in zip(mask_values.tolist(), areas_px.tolist(), strict=True):
        flags = []
        if value in at_border:
            flags.append("touches_border")
        if area_px < _TINY_AREA_SHARE * label_map.size:
            flags.append("tiny")
        items.append(Instance(mask_value=value, flags=tuple(flags)))
    return tuple(items)


def _label_values(image: Image.Image, path: Path, notes: list[str]) -> np.ndarray:
    """(H, W) values of any Pillow mode, not yet checked."""
    if image.mode in ("1", "L", "P", "I") or image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        if not (np.isfinite(values).all() and (values == values.round()).all()):
            raise InputError(f"The mask {path} holds values that are not whole numbers; give one number per object.")
        return values
    if image.mode in ("LA", "PA", "La"):
        notes.append(f"The transparency of {path.name} was ignored; its values count.")
        return np.asarray(image)[..., 0]
    if image.mode in ("RGB", "RGBA", "RGBX"):
        return _values_of_colours(image, path, notes)
    raise InputError(f"The mask {path} has the colour mode {image.mode}; save it as an 8 or 16 bit grey PNG.")


def _values_of_colours(image: Image.Image, path: Path, notes: list[str]) -> Int[np.ndarray, "H W"]:
    channels = np.asarray(image)
    rgb = channels[..., :3].astype(np.int64)
    if image.mode == "RGBA":
        rgb = np.where(channels[..., 3:] == 0, 0, rgb)  # what is fully transparent is no object
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all():
        notes.append(f"{path.name} is a grey label map stored as colour; its grey values count.")
        return rgb[..., 0]
    packed = rgb[..., 0] * 65536 + rgb[..., 1] * 256 + rgb[..., 2]
    colours = np.unique(packed[packed > 0])
    if len(colours) > MOST_OBJECTS:
        raise InputError(
            f"The mask {path} has {len(colours)} colours, which is a photo rather than a label map; "
            "give a PNG with one value per object and 0 as background."
        )
    notes.append(
        f"{path.name} is a colour picture: each of its {len(colours)} colours other than black is one object, "
        "numbered in the order of red, green, blue."
    )
    return np.where(packed > 0, np.searchsorted(colours, packed) + 1, 0)


def _checked(values: np.ndarray, path: Path) -> UInt16[np.ndarray, "H W"]:
    low, high = values.min(), values.max()
    if low < 0 or high > _LARGEST_VALUE:
        raise InputError(f"The mask {path} holds values from {low:g} to {high:g}; they must be 0 to {_LARGEST_VALUE}.")
    label_map = values.astype(np.uint16)
    objects = len(np.unique(label_map[label_map > 0]))
    if objects == 0:
        raise InputError(f"The mask {path} has no object: every pixel is 0; give each object a value of its own.")
    if objects == 1 and label_map.all():
        raise InputError(
            f"The mask {path} has the value {label_map[0, 0]} everywhere; give 0 to floor and walls, and each object a "
            "value of its own."
        )
    if objects > MOST_OBJECTS:
        raise InputError(
            f"The mask {path} has {objects} different values, which is a photo or a depth map rather than a "
            "label map; give a PNG with one value per object and 0 as background."
        )
    return label_map
