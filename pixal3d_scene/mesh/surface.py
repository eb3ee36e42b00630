"""The surface of a solid given as a scalar field on a grid (marching cubes of scikit-image)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..asset import Mesh

# Values nearer to zero than this share of the largest are moved away from it: marching cubes makes zero-area
# triangles where the surface meets a grid point exactly. The surface moves by a hundredth of a voxel.
_NUDGE = 0.01


def solid_surface(field: Float[np.ndarray, "nx ny nz"], low: Float[np.ndarray, "3"], spacing: float) -> Mesh:
    """The zero level of a field that is positive inside, as a closed mesh that faces outwards.

    low: position of field[0, 0, 0]. spacing: between neighbours, the same along all axes; the field's values
    are in the same unit. Solids that touch the grid's border are closed there. Raises ValueError when nothing is
    inside.
    """
    from skimage.measure import marching_cubes

    eps = _NUDGE * spacing
    padded = np.pad(field, 1, constant_values=-spacing).astype(np.float32)
    padded = np.where(np.abs(padded) < eps, np.where(padded > 0, eps, -eps), padded)
    vertices, faces, _, _ = marching_cubes(padded, 0.0, gradient_direction="ascent")
    return Mesh(vertices=low + (vertices.astype(np.float64) - 1) * spacing, faces=faces.astype(np.int64))
