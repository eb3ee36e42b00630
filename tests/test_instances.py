"""Label maps and the names of objects."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixal3d_scene.errors import InputError
from pixal3d_scene.instances import Instance, Instances

mask_values = st.integers(1, 65535)
labels = st.text(max_size=12) | st.sampled_from(
    ["armchair", "Sofa bed", "chaise longue № 5", "a_1", "椅子", "", "--", "wall"]
)


@settings(deadline=None, max_examples=40)
@given(labels, labels, mask_values, mask_values)
def test_names_are_ascii_words_and_unique_per_value(a: str, b: str, value_a: int, value_b: int) -> None:
    name_a, name_b = (Instance(mask_value=v, label=word).name for v, word in ((value_a, a), (value_b, b)))
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*_\d{2,5}", name_a)
    assert int(name_a.rsplit("_", 1)[1]) == value_a
    assert (name_a == name_b) <= (value_a == value_b)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("armchair", "armchair_03"),
        ("Sofa bed", "sofa_bed_03"),
        ("  TV-stand / 2 ", "tv_stand_2_03"),
        ("椅子", "object_03"),
        ("", "object_03"),
        ("fauteuil crapaud é", "fauteuil_crapaud_03"),
    ],
)
def test_names_are_made_of_label_and_number(label: str, name: str) -> None:
    assert Instance(mask_value=3, label=label).name == name


def test_three_hundred_instances_keep_their_values() -> None:
    label_map = np.arange(301, dtype=np.uint16).reshape(7, 43) * 200
    items = tuple(Instance(mask_value=v * 200) for v in range(1, 301))
    instances = Instances(label_map=label_map, items=items, source="given")
    assert len(instances) == 300
    assert instances.mask(60_000).sum() == 1
    assert np.argwhere(instances.mask(200)).tolist() == [[0, 1]]
    assert len({item.name for item in instances.items}) == 300


def test_an_empty_map_has_no_instances() -> None:
    assert len(Instances(label_map=np.zeros((4, 4), np.uint16), items=(), source="given")) == 0


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3), (2, 1)])
def test_a_map_that_disagrees_with_its_list_is_refused(values: tuple[int, ...]) -> None:
    label_map = np.array([[0, 1], [2, 2]], dtype=np.uint16)
    with pytest.raises(InputError, match=r"\[1, 2\]"):
        Instances(label_map=label_map, items=tuple(Instance(mask_value=v) for v in values), source="given")


def test_the_map_cannot_be_changed_from_outside() -> None:
    instances = Instances(label_map=np.ones((2, 2), np.uint16), items=(Instance(mask_value=1),), source="given")
    with pytest.raises(ValueError, match="read-only"):
        instances.label_map[0, 0] = 2
