"""How large things usually are, for objects whose depth says nothing: a label in, its longest side in metres out."""

from __future__ import annotations

# Spread of log(size) within one kind of thing: two of three lie within a factor of 1.35.
SIGMA_LOG = 0.3

# Longest side of the object's box, m, of common furniture (rounded from makers' catalogues).
_LONGEST_SIDE_M = {
    "armchair": 0.95, "bed": 2.05, "bench": 1.3, "bookcase": 1.8, "bookshelf": 1.8, "bottle": 0.3, "box": 0.45,
    "cabinet": 1.2, "chair": 0.9, "clock": 0.35, "couch": 2.0, "crate": 0.5, "cup": 0.12, "desk": 1.4, "door": 2.0,
    "dresser": 1.2, "fan": 0.4, "fridge": 1.7, "guitar": 1.05, "lamp": 0.6, "laptop": 0.35, "mirror": 1.0,
    "monitor": 0.6, "nightstand": 0.55, "oven": 0.85, "picture": 0.7, "pillow": 0.5, "plant": 0.8, "shelf": 1.0,
    "shelves": 1.6, "sink": 0.8, "sofa": 2.0, "stool": 0.5, "table": 1.4, "television": 1.1, "tv": 1.1,
    "vase": 0.3, "wardrobe": 2.1,
    "basket": 0.45, "bathtub": 1.7, "bin": 0.5, "book": 0.25, "bowl": 0.25, "keyboard": 0.45, "microwave": 0.5,
    "ottoman": 0.6, "piano": 1.5, "radiator": 1.0, "refrigerator": 1.7, "speaker": 0.35, "toilet": 0.7,
}  # fmt: skip


def usual_longest_side_m(label: str) -> float | None:
    """By the last word of the label that is known, since "desk lamp" is a lamp; None for unknown things."""
    words = label.lower().replace("_", " ").split()
    return next((_LONGEST_SIDE_M[w] for w in reversed(words) if w in _LONGEST_SIDE_M), None)
