"""Words for detectors."""

from __future__ import annotations

import pytest

from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.vocabulary import (
    INDOOR_WORDS,
    STRUCTURE_WORDS,
    check_labels,
    is_structure,
    parse_labels,
    words_to_find,
)
from pixal3d_scene.instances import SHELL_PARTS, Instance
from pixal3d_scene.layout.usual_size import usual_longest_side_m

# Things without a usual size, or whose size says nothing about depth.
_ANY_SIZE = {"blanket", "rug", "curtain", "toy", "bag", "fireplace", "washing machine"}


def test_built_in_words_are_usable_and_each_there_once() -> None:
    assert len(set(INDOOR_WORDS)) == len(INDOOR_WORDS)
    assert check_labels(INDOOR_WORDS) == INDOOR_WORDS
    assert not set(INDOOR_WORDS) & set(STRUCTURE_WORDS)
    assert all(Instance(mask_value=1, label=word).name == f"{word.replace(' ', '_')}_01" for word in INDOOR_WORDS)


def test_built_in_words_have_a_usual_size() -> None:
    assert {word for word in INDOOR_WORDS if usual_longest_side_m(word) is None} == _ANY_SIZE


def test_parts_of_the_room_are_always_looked_for_and_kept_apart() -> None:
    assert SHELL_PARTS[1:] == STRUCTURE_WORDS
    assert words_to_find(()) == (*INDOOR_WORDS, *STRUCTURE_WORDS)
    assert words_to_find(("lamp", "door")) == ("lamp", "door", "floor", "wall", "ceiling", "window")
    assert is_structure("door")
    assert not is_structure("doormat")


def test_labels_as_they_are_typed() -> None:
    assert parse_labels(" Sofa,floor   lamp,,sofa ") == ("sofa", "floor lamp")


@pytest.mark.parametrize("text", ["", " , ", "sofa. lamp", "42", "x" * 61, "what?", "a;b"])
def test_labels_that_no_detector_reads(text: str) -> None:
    with pytest.raises(InputError, match="label"):
        parse_labels(text)
