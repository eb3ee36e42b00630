"""The words that detectors look for: things of a home, and the parts of the room that are no objects."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..instances import SHELL_PARTS

# Kept apart from objects: `Instances.shell_map` has them.
STRUCTURE_WORDS = SHELL_PARTS[1:]

# Everyday nouns, which detectors know best; those with a usual size help where depth says nothing (layout.usual_size).
INDOOR_WORDS = (
    "sofa", "armchair", "chair", "stool", "bench", "ottoman", "table", "coffee table", "desk", "nightstand",
    "bed", "pillow", "blanket", "wardrobe", "dresser", "cabinet", "bookshelf", "shelf", "lamp", "ceiling lamp",
    "television", "monitor", "laptop", "keyboard", "speaker", "fan", "rug", "curtain", "mirror", "picture", "clock",
    "plant", "vase", "book", "bottle", "cup", "bowl", "basket", "box", "bag", "toy", "guitar", "piano", "fireplace",
    "radiator", "refrigerator", "oven", "microwave", "washing machine", "sink", "toilet", "bathtub", "trash bin",
)  # fmt: skip

_LONGEST_WORD = 60


def words_to_find(labels: Sequence[str]) -> tuple[str, ...]:
    """Object words (the given ones, or the built-in ones where none are) and the parts of the room."""
    objects = tuple(labels) or INDOOR_WORDS
    return (*objects, *(word for word in STRUCTURE_WORDS if word not in objects))


def is_structure(label: str) -> bool:
    """Whether a label is a part of the room."""
    return label in STRUCTURE_WORDS


def parse_labels(text: str) -> tuple[str, ...]:
    """Words of a list such as "sofa, floor lamp"; each once, in order; raises InputError where one is unusable."""
    words = [" ".join(word.split()).lower() for word in text.split(",")]
    if not any(words):
        raise InputError('--labels has no word; give some, separated by commas: --labels "sofa,floor lamp".')
    return check_labels(dict.fromkeys(word for word in words if word))


def check_labels(words: Sequence[str] | dict[str, None]) -> tuple[str, ...]:
    """The words as they are; raises InputError for one that a detector would read as several, or not at all."""
    for word in words:
        if len(word) > _LONGEST_WORD or not any(c.isalpha() for c in word) or set(word) & set(".?,;:!"):
            raise InputError(
                f"The label {word!r} is not usable; give plain words of at most {_LONGEST_WORD} letters, separated by "
                "commas and without full stops."
            )
    return tuple(words)
