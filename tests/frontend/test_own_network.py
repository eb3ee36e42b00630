"""The trained front-end behind both protocols: what a perfect network says comes out as masks, metres and camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from flat_rooms import FLOOR, WALL, flat_rooms, told_same
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

from cli import app
from pixal3d_scene.errors import BackendMissing, StageFailed
from pixal3d_scene.frontend.closer_look import vote_maps, window_around
from pixal3d_scene.frontend.front_end_network import (
    NEIGHBOURS,
    FrontEndConfig,
    FrontEndNetwork,
    FrontEndOutput,
    neighbour_px,
)
from pixal3d_scene.frontend.front_end_weights import read_front_end, write_front_end
from pixal3d_scene.frontend.given_masks import instances_from_label_map
from pixal3d_scene.frontend.object_votes import ObjectVoter, ObjectVotes
from pixal3d_scene.frontend.own_network import OwnDepth, OwnNetwork, OwnSegmenter, fit_picture
from pixal3d_scene.frontend.protocols import DepthEstimator, KnownView, Segmenter
from pixal3d_scene.frontend.stand import Assumed
from pixal3d_scene.instances import SHELL_PARTS, Instances
from pixal3d_scene.learning.front_end_targets import front_end_targets
from pixal3d_scene.models import object_voter
from pixal3d_scene.photo import Photo
from pixal3d_scene.settings import Settings
from pixal3d_scene.weights import own

SIDE = 128
LABELS = ("object", "red", "blue", "green", "yellow")
ROOM = flat_rooms(1, seed=11, size_px=(SIDE, SIDE))
ASSUMED = Assumed(camera_height_m=1.5, fallback_fov_deg=60.0)
CONFIG = FrontEndConfig(
    labels=LABELS, side_px=SIDE, widths=(8, 12, 16, 24, 32), blocks=(1, 1, 1, 1), decoder_width=16, attention_layers=1
)


def photo() -> Photo:
    """The room's picture, twice as large as the network sees it."""
    rgb = ROOM.rgb[0].permute(1, 2, 0).numpy().repeat(2, axis=0).repeat(2, axis=1)
    return Photo(rgb=np.ascontiguousarray(rgb), file_name="cards.png", sha256="c" * 64)


def masks() -> Instances:
    """The true ones."""
    label_map = ROOM.instance_ids[0].numpy().astype(np.uint16).repeat(2, axis=0).repeat(2, axis=1)
    return instances_from_label_map(label_map, source="truth")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    write_front_end(FrontEndNetwork(CONFIG), tmp_path / "front_end.safetensors")
    return tmp_path / "front_end.safetensors"


@pytest.fixture
def knowing(weights: Path, monkeypatch: pytest.MonkeyPatch) -> OwnNetwork:
    """A network that answers with the truth."""
    truth = front_end_targets(ROOM)
    answer = FrontEndOutput(
        log_depth=truth.log_depth,
        shell=torch.nn.functional.one_hot(truth.shell, 6).permute(0, 3, 1, 2) * 20.0,
        centre=torch.logit(truth.centre.clamp(1e-6, 1 - 1e-6)),
        offset=truth.offset,
        same=told_same(truth.instance),
        label=torch.nn.functional.one_hot(truth.label.clamp(min=0), len(LABELS)).permute(0, 3, 1, 2) * 20.0,
        up_cam=truth.up_cam,
        log_focal=truth.log_focal,
    )
    network = OwnNetwork(str(weights))
    monkeypatch.setattr(network, "look", lambda photo: answer)
    monkeypatch.setattr(network, "look_larger", lambda photo: answer)
    return network


def test_metres_and_focal_length_are_those_of_the_room(knowing: OwnNetwork) -> None:
    true_m = float(ROOM.camera_height_m[0])
    estimator = OwnDepth(knowing, assumed=replace(ASSUMED, camera_height_m=true_m))
    assert isinstance(estimator, DepthEstimator)
    focal_px = 2 * float(ROOM.K[0, 0, 0])
    guessed = estimator.estimate(photo(), masks(), KnownView())
    assert guessed.camera.K[0, 0] == pytest.approx(focal_px, rel=0.02)  # the cards' edges have a say
    fov_deg = float(np.degrees(2 * np.arctan(SIDE / focal_px)))
    depth = estimator.estimate(photo(), masks(), KnownView(horizontal_fov_deg=fov_deg))
    assert depth.camera.centre_world[1] == pytest.approx(true_m, rel=0.02)
    true_z_m = ROOM.z_m[0].numpy().repeat(2, axis=0).repeat(2, axis=1)
    # The box of the room is fitted to 128 px; the floor's depth changes within a pixel of the network's maps.
    error = depth.z_m / true_z_m - 1
    assert depth.valid.all()
    assert np.median(np.abs(error)[masks().label_map == 0]) < 0.05
    # Of the distance of what stands on the floor a network has a fifth, however right it is.
    assert all(abs(np.median(error[masks().label_map == v])) < 0.11 for v in np.unique(masks().label_map)[1:])
    usually_higher = OwnDepth(knowing, assumed=replace(ASSUMED, camera_height_m=1.44 * true_m))
    higher = usually_higher.estimate(photo(), masks(), KnownView(horizontal_fov_deg=fov_deg))
    assert higher.camera.centre_world[1] == pytest.approx(1.2 * true_m, rel=0.02)
    told = usually_higher.estimate(photo(), masks(), KnownView(horizontal_fov_deg=fov_deg, camera_height_m=true_m))
    assert told.camera.centre_world[1] == pytest.approx(true_m)


def test_masks_lie_on_the_cards_and_carry_their_words(knowing: OwnNetwork) -> None:
    segmenter = OwnSegmenter(knowing, max_objects=20, min_area_share=0.001)
    assert isinstance(segmenter, Segmenter)
    depth = OwnDepth(knowing, assumed=ASSUMED).estimate(photo(), masks(), KnownView())
    instances = segmenter.segment(photo(), KnownView(), depth)
    true_ids = ROOM.instance_ids[0].numpy().repeat(2, axis=0).repeat(2, axis=1)
    large = [v for v in np.unique(true_ids) if v and (true_ids == v).sum() > 400]
    assert large
    for value in large:
        mask = true_ids == value
        best = max(instances.items, key=lambda i: float((instances.mask(i.mask_value) & mask).sum()))
        found = instances.mask(best.mask_value)
        assert (found & mask).sum() / (found | mask).sum() > 0.8
        assert best.label == LABELS[int(ROOM.label[0].numpy()[ROOM.instance_ids[0].numpy() == value][0])]
    assert instances.shell_map is not None
    shell = ROOM.shell_part[0].numpy().repeat(2, axis=0).repeat(2, axis=1)
    for part in (FLOOR, WALL):
        there = (shell == part) & (instances.label_map == 0)
        assert (instances.shell_map == part)[there].mean() > 0.9, SHELL_PARTS[part]


@pytest.mark.parametrize("size_px", [(1600, 1200), (1200, 1600), (1920, 1080), (640, 640), (3000, 700)])
def test_every_photo_fits_the_network_without_being_stretched(size_px: tuple[int, int]) -> None:
    fit = fit_picture(size_px, side_px=256)
    assert max(fit.inner_px) == 256
    assert fit.inner_px[0] / fit.inner_px[1] == pytest.approx(size_px[0] / size_px[1], rel=0.02)
    for inner, outer, before in zip(fit.inner_px, fit.outer_px, (fit.left_px, fit.top_px), strict=True):
        assert outer % 32 == 0
        assert inner % 4 == before % 4 == 0
        assert abs(before - (outer - inner - before)) <= 4


def test_one_pass_serves_both_parts_and_a_larger_one_the_masks(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = OwnNetwork(str(weights))
    passes: list[int | None] = []
    seen = OwnNetwork.seen

    def counted(self: OwnNetwork, photo: Photo, *, side_px: int | None = None) -> FrontEndOutput:
        passes.append(side_px)
        return seen(self, photo, side_px=side_px)

    monkeypatch.setattr(OwnNetwork, "seen", counted)
    OwnDepth(network, assumed=ASSUMED).estimate(photo(), masks(), KnownView())
    for _ in range(2):
        OwnSegmenter(network, max_objects=9, min_area_share=0.001).propose(photo())
    assert passes == [None, SIDE * 3 // 2]


def test_a_mirrored_photo_gets_the_mirrored_answer(weights: Path) -> None:
    network = OwnNetwork(str(weights))
    seen = network.look(photo())
    mirrored = network.look(replace(photo(), rgb=np.ascontiguousarray(photo().rgb[:, ::-1]), sha256="d" * 64))
    for name in ("log_depth", "shell", "centre", "label"):
        assert torch.allclose(getattr(mirrored, name).flip(-1), getattr(seen, name), atol=1e-4), name
    x, y = mirrored.offset.flip(-1)[0]
    assert torch.allclose(torch.stack([-x, y]), seen.offset[0], atol=1e-4)
    for k, share in enumerate(NEIGHBOURS):
        apart = neighbour_px(share, seen.same.shape[-2:])
        right, below = 2 * k, 2 * k + 1
        left = mirrored.same[0, right].flip(-1)[:, apart:]  # of a pixel and the one at its left
        assert torch.allclose(left, seen.same[0, right, :, :-apart], atol=1e-4)
        assert torch.allclose(mirrored.same[0, below].flip(-1), seen.same[0, below], atol=1e-4)
    assert torch.allclose(mirrored.up_cam * torch.tensor([-1.0, 1, 1]), seen.up_cam, atol=1e-5)
    assert torch.equal(mirrored.log_focal, seen.log_focal)


def test_a_closer_look_sees_what_is_around_a_mask_and_sees_it_once(weights: Path) -> None:
    network = OwnNetwork(str(weights))
    votes = network.votes(photo())
    assert isinstance(network, ObjectVoter)
    assert isinstance(votes, ObjectVotes)
    box, shape = (slice(40, 90), slice(60, 120)), (SIDE, SIDE)  # masks at half of the photo's size
    rows, columns = window_around(box, shape)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (16, 114, 36, 128)
    seen = np.ascontiguousarray(photo().rgb[32:228, 72:256])
    maps = vote_maps(network, replace(photo(), rgb=seen))
    expected = maps.of_box((slice(24, 74), slice(24, 84)), (98, 92))
    found = votes.of_box(box, shape)
    np.testing.assert_array_equal(found.pointed_px, expected.pointed_px)
    np.testing.assert_array_equal(found.word, expected.word)
    np.testing.assert_array_equal(found.word_cell, expected.word_cell)
    assert votes.of_box(box, shape) is found


def test_the_network_helps_the_hygiene_where_the_settings_name_it() -> None:
    without = Settings.model_validate({"segment": {"segmenter": "sam2"}, "depth": {"estimator": "depth_pro"}})
    assert object_voter(without) is None
    for setting in ({"segment": {"segmenter": "front_end"}}, {"depth": {"estimator": "front_end"}}):
        assert isinstance(object_voter(Settings.model_validate(setting)), OwnNetwork)


def test_without_weights_the_way_to_them_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "FOLDER", tmp_path)
    with pytest.raises(BackendMissing, match="pixal3d-scene train"):
        OwnNetwork(None)
    with pytest.raises(BackendMissing, match="do not exist"):
        OwnNetwork("/no/such/file.safetensors")


def test_weights_with_fewer_outputs_are_refused(weights: Path) -> None:
    """As those that were trained before the network told of neighbours."""
    with safe_open(weights, framework="pt") as file:
        facts, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors | {"dense.weight": tensors["dense.weight"][:-4]}, weights, metadata=facts)
    with pytest.raises(BackendMissing, match=r"do not fit the network: dense\.weight"):
        read_front_end(weights)


@pytest.mark.slow
def test_as_a_user_runs_it(weights: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text(f'[depth]\nestimator = "front_end"\n[front_end]\nweights = "{weights}"\n')
    photo().image.save(tmp_path / "cards.png")
    ids = ROOM.instance_ids[0].numpy().repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    from PIL import Image

    Image.fromarray(ids).save(tmp_path / "masks.png")
    command = ["run", str(tmp_path / "cards.png"), "-o", str(tmp_path / "run"), "--masks", str(tmp_path / "masks.png")]
    done = CliRunner().invoke(app, [*command, "--config", str(config), "--quality", "draft", "-q"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "scene.glb").stat().st_size > 1000
    alone = CliRunner().invoke(app, [*command[:-2], "--config", str(config), "--segmenter", "front_end", "-q"])
    # Random weights find something or nothing; both are told, and neither is a mistake of ours.
    assert "this is a bug" not in alone.output
    assert alone.exit_code == 0 or (alone.exit_code == 4 and "segment" in alone.output), alone.output


def test_where_the_network_finds_nothing_others_look_and_it_is_told(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Others:
        name, revision, uses_depth = "others", "1", False

        def segment(self, photo: Photo, known: KnownView, depth: object) -> Instances:
            return masks()

    monkeypatch.setattr(OwnSegmenter, "propose", lambda self, photo: ())
    network = OwnNetwork(str(weights))
    found = OwnSegmenter(network, max_objects=9, min_area_share=0.001, otherwise=Others()).segment(
        photo(), KnownView(), None
    )
    np.testing.assert_array_equal(found.label_map, masks().label_map)
    assert any("finds no object" in note and "others" in note for note in found.notes)
    with pytest.raises(StageFailed, match="no object was found"):
        OwnSegmenter(network, max_objects=9, min_area_share=0.001).segment(photo(), KnownView(), None)
