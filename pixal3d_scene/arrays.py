"""Read-only arrays and shape checks for the frozen value types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ShapeError


def freeze(owner: object, *names: str) -> None:
    """Replace the named array fields of a frozen dataclass by read-only views."""
    for name in names:
        array = getattr(owner, name)
        if array is None:
            continue
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(owner, name, view)


def check_shape(name: str, array: NDArray[Any], expected: tuple[int | None, ...]) -> None:
    """Raise ShapeError unless `array` has the expected shape; None stands for any length."""
    same_rank = len(array.shape) == len(expected)
    if not same_rank or any(e is not None and e != g for e, g in zip(expected, array.shape, strict=True)):
        raise ShapeError(name, expected, array.shape)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """`array` as a read-only view, for module constants."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def nearest(array: NDArray[Any], size_px: tuple[int, int]) -> NDArray[Any]:
    """(H, W, ...) values at another size (width, height): each pixel takes the value at its own centre."""
    height, width = array.shape[:2]
    rows = ((np.arange(size_px[1]) + 0.5) * height / size_px[1]).astype(np.int64)
    columns = ((np.arange(size_px[0]) + 0.5) * width / size_px[0]).astype(np.int64)
    return array[rows[:, None], columns]
