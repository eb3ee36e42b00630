"""Depth networks as the command line runs them, on tiny folders with random weights, and what becomes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from painted_room import camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene
from room_on_disk import RoomOnDisk, write_room_on_disk
from safetensors.torch import load_file, save_file
from tiny_depth import FOV_DEG, write_depth_anything, write_depth_pro
from typer.testing import CliRunner

from cli import app
from pixal3d_scene.camera import Camera
from pixal3d_scene.frontend.depth_anything import DepthAnythingDepth
from pixal3d_scene.frontend.depth_pro import DepthProDepth, as_network_picture
from pixal3d_scene.frontend.network_depth import Prediction, depth_of_photo
from pixal3d_scene.frontend.protocols import DepthEstimator, KnownView
from pixal3d_scene.frontend.stand import Assumed
from pixal3d_scene.frontend.view import EstimatedCamera

ASSUMED = Assumed(camera_height_m=1.5, fallback_fov_deg=60.0)
WRITERS = {"depth_anything": write_depth_anything, "depth_pro": write_depth_pro}
CAMERA = camera_in_room(pitch_deg=17, roll_deg=2, yaw_deg=-12, height_m=1.27)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp("networks") / name) for name, write in WRITERS.items()}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return painted_room(CAMERA, furniture())


def invoke(*arguments: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, list(arguments))


def with_network(folder: Path, estimator: str, weights: Path) -> Path:
    file = folder / f"{estimator}.toml"
    file.write_text(f'[depth]\nestimator = "{estimator}"\nweights = "{weights}"\n')
    return file


@pytest.mark.parametrize("estimator", WRITERS)
def test_a_run_with_a_folder_of_weights(
    estimator: str, folders: dict[str, Path], room: RoomOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    config = with_network(tmp_path, estimator, folders[estimator])
    arguments = ["run", str(room.photo), "-o", str(tmp_path / "out"), "--masks", str(room.masks), "--quality", "draft"]
    result = invoke(*arguments, "--config", str(config), "--fov", "60")
    assert result.exit_code in (0, 5), result.output
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert any("Which way is down" in n or "which way is down" in n for n in report["notes"])
    disagrees = [n for n in report["notes"] if "of the depth network" in n]
    assert bool(disagrees) == (estimator == "depth_pro" and abs(np.tan(np.radians(FOV_DEG / 2)) / 0.5774 - 1) > 0.1)
    again = invoke(*arguments, "--config", str(config), "--fov", "60")
    assert "up to date" in again.stdout


@pytest.mark.parametrize("estimator", WRITERS)
def test_every_tensor_must_fit(estimator: str, folders: dict[str, Path], room: RoomOnDisk, tmp_path: Path) -> None:
    file = tmp_path / "copy/model.safetensors"
    shutil.copytree(folders[estimator], file.parent)
    config = with_network(tmp_path, estimator, file.parent)
    arguments = ["run", str(room.photo), "-o", str(tmp_path / "out"), "--masks", str(room.masks)]
    tensors = load_file(file)
    name = sorted(tensors)[5]
    for changed, word in (
        ({k: v for k, v in tensors.items() if k != name}, "missing_keys"),
        ({**tensors, "another.weight": torch.zeros(2)}, "another.weight"),
        ({**tensors, name: torch.zeros(3, 5)}, "mismatched|size"),
    ):
        save_file(changed, file, metadata={"format": "pt"})
        result = invoke(*arguments, "--config", str(config))
        assert result.exit_code == 2, result.output
        assert any(w in result.output for w in word.split("|")), result.output
        check = invoke("models", "check", str(file.parent))
        assert check.exit_code == 3
    file.unlink()
    (file.parent / "pytorch_model.bin").write_bytes(b"a pickle")
    result = invoke(*arguments, "--config", str(config))
    assert (result.exit_code, "model.safetensors is missing" in result.output) == (3, True), result.output
    assert not (tmp_path / "out/scene.glb").exists()


@pytest.mark.parametrize("estimator", WRITERS)
def test_models_check_reads_the_folder(estimator: str, folders: dict[str, Path]) -> None:
    result = invoke("models", "check", str(folders[estimator]), "--json")
    assert result.exit_code == 0
    (check,) = json.loads(result.stdout)
    assert (check["name"], check["state"]) == (estimator, "ok")


def test_weights_that_are_not_here_end_the_job_before_anything_is_written(
    room: RoomOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    config = tmp_path / "c.toml"
    for estimator, name in (("depth_anything", "depth-anything-small"), ("depth_pro", "depth-pro")):
        config.write_text(f'[depth]\nestimator = "{estimator}"\n')
        result = invoke("run", str(room.photo), "-o", str(tmp_path / "out"), "--config", str(config))
        assert result.exit_code == 3
        assert f"pixal3d-scene models fetch {name} --revision COMMIT" in result.output
        assert not (tmp_path / "out").exists()
    given = invoke(
        "run", str(room.photo), "-o", str(tmp_path / "out"), "--config", str(config), *room.given, "--dry-run"
    )
    assert given.exit_code == 0  # depth of one's own needs no network


def test_another_network_and_relative_depth_are_refused(
    folders: dict[str, Path], scene: RenderedScene, tmp_path: Path
) -> None:
    from pixal3d_scene.errors import InputError

    (folders["depth_pro"] / "preprocessor_config.json").write_text("{}")
    crossed = DepthAnythingDepth(str(folders["depth_pro"]), revision=None, device="cpu", assumed=ASSUMED)
    with pytest.raises(InputError, match=r"is a 'depth_pro', not a 'depth_anything'"):
        crossed.estimate(scene.photo, None, KnownView())
    relative = write_depth_anything(tmp_path / "relative", kind="relative")
    with pytest.raises(InputError, match="relative depth"):
        DepthAnythingDepth(str(relative), revision=None, device="cpu", assumed=ASSUMED).estimate(
            scene.photo, None, KnownView()
        )


def test_the_estimators_keep_the_protocol_and_their_revision_follows_the_weights(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    for make, name in ((DepthAnythingDepth, "depth_anything"), (DepthProDepth, "depth_pro")):
        copy = Path(shutil.copytree(folders[name], tmp_path / name))
        first = make(str(copy), revision=None, device="cpu", assumed=ASSUMED)
        assert isinstance(first, DepthEstimator)
        assert not first.needs_instances
        assert first.revision == make(str(folders[name]), revision=None, device="cpu", assumed=ASSUMED).revision
        (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
        assert make(str(copy), revision=None, device="cpu", assumed=ASSUMED).revision != first.revision


def test_depth_anything_sees_the_whole_photo_in_its_own_proportions(folders: dict[str, Path]) -> None:
    photo = painted_room(camera_in_room(size_px=(320, 240))).photo
    made = DepthAnythingDepth(str(folders["depth_anything"]), revision=None, device="cpu", assumed=ASSUMED)
    prediction = made._predict(photo)
    assert prediction.depth.shape == (70, 98)  # 70 / 240 of the photo, in steps of 14
    assert prediction.estimated is None
    assert not prediction.per_focal_width


def test_depth_pro_gets_the_picture_as_published() -> None:
    rgb = np.zeros((6, 8, 3), np.uint8)
    rgb[:, 4:, 0], rgb[3:, :, 1] = 255, 255
    picture = as_network_picture(rgb, side_px=16)
    assert picture.shape == (1, 3, 16, 16)
    # (value / 255 - 0.5) / 0.5 at pixel centres, linear between them: the step at 4 of 8 is spread over 3.5 to 4.5.
    at = np.clip((np.arange(16) + 0.5) / 2 - 3.5, 0, 1)
    np.testing.assert_allclose(picture[0, 0].numpy(), np.broadcast_to(2 * at - 1, (16, 16)), atol=1e-6)
    down = np.clip((np.arange(16) + 0.5) * 6 / 16 - 2.5, 0, 1)
    np.testing.assert_allclose(picture[0, 1].numpy(), np.broadcast_to((2 * down - 1)[:, None], (16, 16)), atol=1e-6)
    np.testing.assert_allclose(picture[0, 2].numpy(), -1)


def test_depth_pro_tells_the_focal_length(folders: dict[str, Path], scene: RenderedScene) -> None:
    made = DepthProDepth(str(folders["depth_pro"]), revision=None, device="cpu", assumed=ASSUMED)
    prediction = made._predict(scene.photo)
    assert prediction.estimated is not None
    assert prediction.estimated.camera.horizontal_fov_deg == pytest.approx(FOV_DEG)
    assert prediction.per_focal_width


def canonical(scene: RenderedScene, camera: Camera) -> np.ndarray:
    """What a perfect Depth Pro gives as 1 / C: depth over (focal length / width)."""
    return (scene.depth.z_m * camera.size_px[0] / camera.K[0, 0]).astype(np.float32)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_a_longer_lens_puts_what_looks_the_same_farther_away(scene: RenderedScene, factor: float) -> None:
    K = np.diag([factor, factor, 1.0]) @ CAMERA.K
    K[:2, 2] = CAMERA.K[:2, 2]
    known = KnownView(camera=Camera(K=K, size_px=CAMERA.size_px), pose_known=False)
    lens = {True: factor, False: 1.0}
    for per_focal_width, guess in ((True, canonical(scene, CAMERA)), (False, scene.depth.z_m)):
        prediction = Prediction(depth=np.asarray(guess), per_focal_width=per_focal_width)
        depth = depth_of_photo(prediction, scene.photo, scene.instances, known, source="it", assumed=ASSUMED)
        ratio = depth.z_m[depth.valid] / scene.depth.z_m[depth.valid]
        np.testing.assert_allclose(ratio, lens[per_focal_width], rtol=1e-5)
    assert depth.source == "it"


def test_the_networks_own_focal_length_gives_the_true_room(scene: RenderedScene) -> None:
    prediction = Prediction(
        depth=canonical(scene, CAMERA),
        per_focal_width=True,
        estimated=EstimatedCamera(camera=Camera(K=CAMERA.K, size_px=CAMERA.size_px), source="the depth network"),
    )
    depth = depth_of_photo(prediction, scene.photo, scene.instances, KnownView(), source="it", assumed=ASSUMED)
    np.testing.assert_allclose(depth.z_m[depth.valid], scene.depth.z_m[depth.valid], rtol=1e-5)
    assert depth.camera.centre_world[1] == pytest.approx(1.27, abs=0.01)
    exif = replace(scene.photo, focal_px=float(CAMERA.K[0, 0] * 1.3))
    depth = depth_of_photo(prediction, exif, scene.instances, KnownView(), source="it", assumed=ASSUMED)
    np.testing.assert_allclose(depth.z_m[depth.valid], 1.3 * scene.depth.z_m[depth.valid], rtol=1e-5)
    assert any("EXIF data counts" in n for n in depth.notes)


def test_a_known_pose_or_height_sets_the_scale(scene: RenderedScene) -> None:
    prediction = Prediction(depth=np.asarray(1.2 * scene.depth.z_m).astype(np.float32), per_focal_width=False)
    bare = Camera(K=CAMERA.K, size_px=CAMERA.size_px)
    for known in (KnownView(camera=CAMERA), KnownView(camera=bare, pose_known=False, camera_height_m=1.27)):
        depth = depth_of_photo(prediction, scene.photo, scene.instances, known, source="it", assumed=ASSUMED)
        np.testing.assert_allclose(depth.z_m[depth.valid], scene.depth.z_m[depth.valid], rtol=0.01)
        assert depth.camera.centre_world[1] == pytest.approx(1.27)
        assert any("scaled by 0.83" in n for n in depth.notes)


def test_smeared_edges_of_a_small_prediction_do_not_reach_the_photo(scene: RenderedScene) -> None:
    from PIL import Image

    small = np.asarray(Image.fromarray(np.asarray(scene.depth.z_m)).resize((160, 120), Image.Resampling.BILINEAR))
    known = KnownView(camera=CAMERA)
    prediction = Prediction(depth=small.astype(np.float32), per_focal_width=False)
    depth = depth_of_photo(prediction, scene.photo, scene.instances, known, source="it", assumed=ASSUMED)
    wrong = np.abs(np.log(depth.z_m / scene.depth.z_m)) > 0.08
    plain = np.asarray(Image.fromarray(small).resize((320, 240), Image.Resampling.BILINEAR))
    before = (np.abs(np.log(plain / scene.depth.z_m)) > 0.08).mean()
    assert depth.valid.mean() > 0.95
    assert (wrong & depth.valid).mean() < 0.4 * before
