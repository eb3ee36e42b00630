from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hand_made_scene import SIZE_PX, box_mesh, hand_made_object, hand_made_photo, hand_made_scene, pose
from PIL import Image

from pixal3d_scene.camera import Camera
from pixal3d_scene.crop import plan_crops
from pixal3d_scene.depth import Depth
from pixal3d_scene.export.facts import object_facts
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.instances import Instance, Instances, Rejection
from pixal3d_scene.photo import Photo
from pixal3d_scene.review.page import _measured, _number
from pixal3d_scene.review.readiness import RULES, Part, Readiness
from pixal3d_scene.review.report import RunResult, StageRecord, report_facts, report_html
from pixal3d_scene.scene_graph import SceneGraph

VOID = {"meta", "img", "br", "hr", "link"}


def _result(**changes: object) -> RunResult:
    scene = hand_made_scene()
    width, height = SIZE_PX
    labels = np.zeros((height, width), dtype=np.uint16)
    for i, item in enumerate(scene.objects):
        labels[20:100, 60 * i + 5 : 60 * i + 45] = item.instance.mask_value
    z_m = np.full((height, width), 3.0, dtype=np.float32)
    valid = np.ones((height, width), dtype=bool)
    valid[:60] = False
    z_m[:60] = np.nan
    values = {
        "photo": hand_made_photo(),
        "instances": Instances(
            label_map=labels,
            items=tuple(item.instance for item in scene.objects),
            source="regions",
            rejected=(Rejection(reason="too small", area_px=42, centre_px=(1.0, 2.0)),),
            notes=("Two regions were merged.",),
        ),
        "depth": Depth(
            z_m=z_m, valid=valid, camera=scene.camera, source="room_geometry", notes=("The field of view is assumed.",)
        ),
        "scene": scene,
        "stages": (
            StageRecord(name="segment", seconds=1.5, notes=("Slow disk.",)),
            StageRecord(name="generate", seconds=4.25, status="kept", peak_memory_bytes=123_000_000),
        ),
        "settings": {"seed": 42, "export": {"jpeg_quality": 90}},
        "versions": {"pixal3d-scene": "0.1.0"},
        "licences": {"pixal3d-scene": "Apache-2.0"},
        "notes": ("The field of view is assumed.", "Nothing else."),
    }
    return RunResult(**(values | changes))


class _Page(HTMLParser):
    """Text, sources and the balance of tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.images, self.tags, self.open = "", [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_facts_are_plain_json_and_complete():
    result = _result()
    facts = report_facts(result)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["objects"] == [object_facts(item) for item in result.scene.objects]
    assert facts["count_by_status"] == {"lifted": 4, "failed": 1}
    assert facts["depth"] == {
        "source": "room_geometry",
        "valid_share": 0.75,
        "percentile_01_m": 3.0,
        "median_m": 3.0,
        "percentile_99_m": 3.0,
    }
    assert facts["masks"]["rejected"] == [{"reason": "too small", "area_px": 42, "centre_px": [1.0, 2.0]}]
    assert facts["stages"][1] == {
        "name": "generate",
        "seconds": 4.25,
        "status": "kept",
        "peak_memory_bytes": 123_000_000,
        "notes": [],
    }


def test_every_note_is_told_once_where_it_arose():
    assert report_facts(_result())["notes_by_stage"] == {
        "segment": ["Two regions were merged.", "Slow disk."],
        "depth": ["The field of view is assumed."],
        "run": ["Nothing else."],
    }


def test_angles_of_the_camera_are_those_it_was_built_with():
    pose_of_camera = world_from_level_camera(height_m=1.62, pitch_rad=np.radians(12), roll_rad=np.radians(-4))
    camera = Camera.from_fov(horizontal_fov_deg=70.0, size_px=SIZE_PX).at(pose_of_camera)
    facts = report_facts(_result(scene=hand_made_scene(camera)))["camera"]
    assert facts["pitch_deg"] == pytest.approx(12)
    assert facts["roll_deg"] == pytest.approx(-4)
    assert facts["height_m"] == pytest.approx(1.62)
    assert facts["horizontal_fov_deg"] == pytest.approx(70)


def test_depth_without_any_valid_pixel_has_no_figures():
    nothing = Depth(
        z_m=np.full(SIZE_PX[::-1], np.nan, dtype=np.float32),
        valid=np.zeros(SIZE_PX[::-1], dtype=bool),
        camera=hand_made_scene().camera,
        source="given",
    )
    facts = report_facts(_result(depth=nothing))["depth"]
    assert (facts["valid_share"], facts["median_m"]) == (0.0, None)
    assert "–" in report_html(_result(depth=nothing))


def test_page_tells_what_floats_from_what_stands() -> None:
    scene = hand_made_scene()
    table, *others = scene.objects
    floating = replace(table, placement=replace(table.placement, contacts=()))
    scene = SceneGraph(camera=scene.camera, objects=(floating, *others), room=scene.room)
    assert "floats (nearest: floor)" not in report_html(_result())
    assert report_html(_result(scene=scene)).count("floats (nearest: floor)") == 1


def test_page_shows_what_the_facts_say():
    text = " ".join(_Page(report_html(_result())).text.split())
    for expected in (
        *("couch_table_03", "lámp", "on couch_table_03", "against wall_01", "Tilted.", "No depth inside the mask."),
        *("room_geometry", "The field of view is assumed.", "Two regions were merged.", "42 px at (1, 2): too small"),
        *(
            "0.20 × 0.45 × 0.15 m",
            "5 objects · 4 lifted · 1 failed · 2 with remarks · 5.8 s",
            "2.0 cm",
            "123 MB",
            "Apache-2.0",
            "62.0°",
            "75 %",
        ),
    ):
        assert expected in text, expected


def test_the_photos_readiness_is_told_with_advice_for_low_parts():
    parts = (Part(rule=RULES[0], measured=RULES[0].limit / 2), Part(rule=RULES[-1], measured=None))
    readiness = Readiness(parts=parts)
    assert report_facts(_result())["readiness"] is None
    assert report_facts(_result(readiness=readiness))["readiness"] == readiness.facts()
    text = " ".join(_Page(report_html(_result(readiness=readiness))).text.split())
    assert f"Readiness of the photo: {readiness.score:.0f} of 100" in text
    assert RULES[0].advice in text
    assert RULES[-1].name not in text  # what is not known is not shown


def test_page_needs_nothing_else():
    html = report_html(_result())
    page = _Page(html)
    without_pictures = re.sub(r'"data:image/jpeg;base64,[^"]*"', '""', html)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", without_pictures)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(image["src"].startswith("data:image/jpeg;base64,") and image["alt"] for image in page.images)


def test_pictures_are_the_photo_the_masks_and_two_views_and_each_object():
    result = _result()
    crops = plan_crops(result.photo, result.instances, result.depth, size_px=64, margin=1.1)
    images = _Page(report_html(_result(crops=crops))).images
    pictures = {
        image["alt"]: Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) for image in images
    }
    assert pictures["The photo"].size == pictures["The scene seen by the photo's camera"].size == SIZE_PX
    assert len(pictures) == 4 + 5 + 4  # views, crops, meshes: the failed object has no mesh
    assert "vase_20 in the photo" in pictures
    assert "vase_20 as a mesh" not in pictures
    photo = np.asarray(pictures["The photo"]).astype(int)
    assert np.abs(photo - result.photo.rgb).mean() < 2


def test_what_users_write_is_escaped():
    nasty = '<script>alert("x")</script>'
    scene = hand_made_scene()
    item = hand_made_object(3, nasty, box_mesh((0.3, 0.3, 0.3)), pose(0, 0, -2), warnings=(f"{nasty} & more",))
    photo = hand_made_photo()
    html = report_html(
        _result(
            photo=Photo(rgb=photo.rgb, file_name=f"{nasty}.jpg", sha256="0" * 64, notes=(nasty,)),
            scene=SceneGraph(camera=scene.camera, objects=(item,), room=scene.room),
            settings={"note": nasty},
            notes=(nasty,),
        )
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 5
    assert nasty in _Page(html).text


@pytest.mark.slow
def test_more_objects_than_pictures_is_said():
    base = hand_made_scene()
    mesh = box_mesh((0.1, 0.1, 0.1))
    objects = [hand_made_object(i + 1, "box", mesh, pose(0.2 * (i % 7), 0, -2 - 0.2 * (i // 7))) for i in range(34)]
    labels = np.zeros(SIZE_PX[::-1], dtype=np.uint16)
    labels[0, :34] = np.arange(34) + 1
    instances = Instances(
        label_map=labels, items=tuple(Instance(mask_value=i + 1, label="box") for i in range(34)), source="given"
    )
    scene = SceneGraph(camera=base.camera, objects=objects, room=base.room)
    html = report_html(_result(scene=scene, instances=instances))
    assert "Only the first 32 of 34 objects have a picture of their own." in html
    assert sum(image["alt"].endswith("as a mesh") for image in _Page(html).images) == 32


def test_a_scene_without_objects_has_a_page():
    base = hand_made_scene()
    empty = Instances(label_map=np.zeros(SIZE_PX[::-1], dtype=np.uint16), items=(), source="given")
    html = report_html(
        _result(scene=SceneGraph(camera=base.camera, objects=(), room=base.room), instances=empty, stages=())
    )
    assert "No object was found." in html
    assert "0 objects" in _Page(html).text


def test_same_run_same_page():
    assert report_html(_result()) == report_html(_result())


def test_figures_read_as_one_would_say_them():
    assert (_number(-0.004, 1), _number(-0.2, 1), _number(None), _number(1.0, 2, " m")) == (
        "0.0",
        "-0.2",
        "–",
        "1.00 m",
    )
    assert [_measured(value) for value in (2552.89, 99.2, 30.33, 0.5, 0.0)] == ["2553", "99.2", "30.3", "0.5", "0"]
