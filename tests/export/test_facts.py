from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hand_made_scene import hand_made_photo, hand_made_scene

from pixal3d_scene.export.facts import object_facts, scene_facts


def test_scene_facts_are_the_contract_of_scene_json():
    scene = hand_made_scene()
    facts = scene_facts(scene, hand_made_photo())
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["schema"] == 1
    assert facts["photo"] == {"file": "room <b>&.jpg", "sha256": "0" * 64, "size_px": [320, 240]}
    assert np.array(facts["camera"]["K"]) == pytest.approx(scene.camera.K)
    assert [o["mask_value"] for o in facts["objects"]] == [3, 7, 12, 13, 20]
    contract = {
        *(
            "name",
            "label",
            "mask_value",
            "score",
            "flags",
            "parent",
            "relation",
            "T_world_from_node",
            "T_node_from_obj",
        ),
        *("size_m", "status", "generator", "mesh", "quality"),
    }
    assert all(contract <= set(o) for o in facts["objects"])


def test_object_facts_of_an_object_on_another():
    lamp = hand_made_scene()["lmp_07"]
    facts = object_facts(lamp)
    assert (facts["label"], facts["parent"], facts["relation"]) == ("lámp", "couch_table_03", "on")
    assert facts["mesh"] == "objects/lmp_07.glb"
    assert facts["size_m"] == pytest.approx([0.2, 0.45, 0.15])
    assert np.array(facts["T_world_from_node"])[:3, 3] == pytest.approx([-0.35, 0.7, -3.05])
    assert np.array(facts["T_node_from_obj"])[:3, :3] == pytest.approx(1.3 * np.eye(3))
    assert facts["warnings"] == ["Tilted."]


def test_the_segmenters_remarks_on_an_object_reach_the_facts():
    lamp = hand_made_scene()["lmp_07"]
    marked = replace(lamp, instance=replace(lamp.instance, flags=("touches_border", "split")))
    assert object_facts(marked)["flags"] == ["touches_border", "split"]
    assert object_facts(lamp)["flags"] == []


def test_failed_object_has_no_mesh_and_no_size():
    facts = object_facts(hand_made_scene()["vase_20"])
    assert (facts["status"], facts["mesh"], facts["size_m"]) == ("failed", None, [0, 0, 0])


def test_numbers_that_json_cannot_hold_become_null_and_warnings_are_told_once():
    item = hand_made_scene()["lmp_07"]
    placement = replace(item.placement, residual_m=float("nan"), warnings=("Tilted.", "Far."))
    facts = object_facts(replace(item, placement=placement, quality={"a": float("inf"), "b": 0.5}))
    assert facts["residual_m"] is None
    assert facts["quality"] == {"a": None, "b": 0.5}
    assert facts["warnings"] == ["Tilted.", "Far."]
