"""Photos, masks, depths and cameras as people have them: accepted with a note, or refused with a remedy."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from room_on_disk import RoomOnDisk, write_camera, write_room_on_disk
from typer.testing import CliRunner

from cli import app
from pixal3d_scene.frontend.given_camera import read_camera

EXAMPLE_PHOTO = Path(__file__).resolve().parents[1] / "examples" / "room" / "photo.jpg"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"))


def run(*arguments: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["run", *map(str, arguments), "--quality", "draft"])


def save_as(kind: str, rgb: Image.Image, path: Path) -> Path:
    """The same picture in another of the ways in which cameras and programs save pictures."""
    if kind == "cmyk":
        rgb.convert("CMYK").save(path.with_suffix(".jpg"))
        return path.with_suffix(".jpg")
    if kind == "grey":
        rgb.convert("L").save(path.with_suffix(".png"))
    elif kind == "16bit":
        Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257).save(path.with_suffix(".png"))
    elif kind == "alpha":
        rgba = rgb.convert("RGBA")
        rgba.putpixel((0, 0), (0, 0, 0, 0))
        rgba.save(path.with_suffix(".png"))
    elif kind == "gif":
        rgb.save(path.with_suffix(".gif"), save_all=True, append_images=[rgb.rotate(90)])
        return path.with_suffix(".gif")
    return path.with_suffix(".png")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "note"),
    [("cmyk", "CMYK"), ("grey", "mode L"), ("16bit", "16-bit"), ("alpha", "transparency"), ("gif", "2 frames")],
)
def test_accepted_and_noted(room: RoomOnDisk, tmp_path: Path, kind: str, note: str) -> None:
    photo = save_as(kind, Image.open(room.photo).convert("RGB"), tmp_path / "photo")
    out = tmp_path / "run"
    result = run(photo, "-o", out, *room.given)
    assert result.exit_code == 0, result.output
    assert len(json.loads((out / "scene.json").read_text())["objects"]) == 3
    assert note in (out / "report.json").read_text()
    assert note in result.stderr


@pytest.mark.slow
def test_rotated_photo_is_turned(room: RoomOnDisk, tmp_path: Path) -> None:
    stored = Image.open(room.photo).convert("RGB").rotate(90, expand=True)  # as a phone held upright stores it
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned clockwise
    stored.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    out = tmp_path / "run"
    result = run(tmp_path / "turned.jpg", "-o", out, *room.given)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "scene.json").read_text())["photo"]["size_px"] == [160, 120]
    assert "EXIF orientation" in result.stderr


@pytest.mark.slow
def test_depth_with_holes_and_photo_without_exif(room: RoomOnDisk, tmp_path: Path) -> None:
    z_m = np.array(room.scene.depth.z_m)
    z_m[::7, ::5], z_m[::11, 1::5] = np.nan, 0
    np.save(tmp_path / "holes.npy", z_m)
    out = tmp_path / "run"
    result = run(room.photo, "-o", out, "--masks", room.masks, "--depth", tmp_path / "holes.npy")
    assert result.exit_code == 0, result.output
    report = (out / "report.json").read_text()
    assert "ignored" in report
    assert "field of view" in report


@pytest.mark.slow
def test_three_hundred_instances(room: RoomOnDisk, tmp_path: Path) -> None:
    label_map = np.zeros((120, 160), dtype=np.uint16)
    values = np.arange(300).reshape(15, 20) + 1
    label_map[: 15 * 8, : 20 * 8] = np.kron(values, np.ones((8, 8), dtype=np.int64)).astype(np.uint16) * 7
    Image.fromarray(label_map).save(tmp_path / "many.png")
    config = tmp_path / "fast.toml"
    config.write_text('[generate]\ngenerator = "box"\n')
    out = tmp_path / "run"
    given = ["--masks", tmp_path / "many.png", "--depth", room.depth, "--camera", room.camera]
    result = run(room.photo, "-o", out, *given, "--config", config)
    assert result.exit_code == 0, result.output
    objects = json.loads((out / "scene.json").read_text())["objects"]
    assert [o["mask_value"] for o in objects] == [7 * (i + 1) for i in range(300)]


def _png_header_only(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _truncated(room: RoomOnDisk, tmp_path: Path) -> Path:
    Image.open(room.photo).convert("RGB").resize((800, 600)).save(tmp_path / "cut.jpg", quality=95)
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    return tmp_path / "cut.jpg"


def _written(name: str, data: bytes) -> Callable[[RoomOnDisk, Path], Path]:
    def make(room: RoomOnDisk, tmp_path: Path) -> Path:
        del room
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return make


def _tiny(room: RoomOnDisk, tmp_path: Path) -> Path:
    Image.open(room.photo).resize((40, 31)).save(tmp_path / "tiny.png")
    return tmp_path / "tiny.png"


def _empty_folder(room: RoomOnDisk, tmp_path: Path) -> Path:
    del room
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda room, tmp_path: tmp_path / "missing.jpg", "does not exist"),
        (_empty_folder, "has no photos"),
        (_written("empty.jpg", b""), "empty.jpg is an empty file; export or copy it again."),
        (_written("text.jpg", b"just text"), "not a picture"),
        (_truncated, "damaged or cut off"),
        (_tiny, "smaller than 32 px"),
        (_written("bomb.png", _png_header_only(20_000, 20_000)), "--max-megapixels"),
    ],
    ids=["missing", "folder without photos", "empty", "renamed text", "truncated", "tiny", "bomb"],
)
def test_refused_photos(room: RoomOnDisk, tmp_path: Path, make: Callable[..., Path], sentence: str) -> None:
    out = tmp_path / "run"
    result = run(make(room, tmp_path), "-o", out)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def _given(name: str) -> Callable[[RoomOnDisk, Path], list[object]]:
    def other_size(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        Image.open(room.masks).resize((80, 60), Image.Resampling.NEAREST).save(tmp_path / "small.png")
        return ["--masks", tmp_path / "small.png"]

    def no_object(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        Image.new("L", (160, 120)).save(tmp_path / "empty.png")
        return ["--masks", tmp_path / "empty.png"]

    def one_value(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        Image.new("L", (160, 120), 5).save(tmp_path / "full.png")
        return ["--masks", tmp_path / "full.png"]

    def depth_size(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        np.save(tmp_path / "small.npy", np.ones((60, 80)))
        return ["--depth", tmp_path / "small.npy"]

    def depth_invalid(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        np.save(tmp_path / "nan.npy", np.full((120, 160), np.nan))
        return ["--depth", tmp_path / "nan.npy"]

    def camera_size(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        write_camera(tmp_path / "c.json", (320, 240), [[100, 0, 80], [0, 100, 60], [0, 0, 1]], np.eye(4).tolist())
        return ["--camera", tmp_path / "c.json"]

    def camera_focal(room: RoomOnDisk, tmp_path: Path, focal: object = 0) -> list[object]:
        write_camera(tmp_path / "c.json", (160, 120), [[focal, 0, 80], [0, focal, 60], [0, 0, 1]], None)
        return ["--camera", tmp_path / "c.json"]

    def camera_nan(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return camera_focal(room, tmp_path, float("nan"))

    def preset(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--preset", "imaginary"]

    def config_key(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        (tmp_path / "c.toml").write_text("[generate]\nvoxel = 64\n")
        return ["--config", tmp_path / "c.toml"]

    def mask_text(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--masks", _written("masks.png", b"just text")(room, tmp_path)]

    def depth_text(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--depth", _written("depth.npy", b"just text")(room, tmp_path)]

    def depth_exr(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--depth", _written("depth.exr", b"v/1\x01")(room, tmp_path)]

    def depth_zero(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        Image.fromarray(np.zeros((120, 160), dtype=np.uint16)).save(tmp_path / "zero.png")
        return ["--depth", tmp_path / "zero.png"]

    def camera_keys(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--camera", _written("c.json", b'{"width": 160}')(room, tmp_path)]

    def config_folder(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--config", tmp_path]

    def device(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--device", "gpu"]

    def fov(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--fov", 190]

    def megapixels(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        return ["--max-megapixels", 0]

    def megapixels_of_file(room: RoomOnDisk, tmp_path: Path) -> list[object]:
        (tmp_path / "c.toml").write_text("[photo]\nmax_megapixels = -1.5\n")
        return ["--config", tmp_path / "c.toml"]

    return locals()[name]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("other_size", "80 x 60"),
        ("no_object", "no object"),
        ("one_value", "full.png has the value 5 everywhere; give 0 to floor and walls"),
        ("depth_size", "80 x 60"),
        ("depth_invalid", "no valid pixel"),
        ("camera_size", "320 x 240"),
        ("camera_focal", "focal length"),
        ("camera_nan", "not finite"),
        ("preset", "imaginary"),
        ("config_key", "generate.voxel"),
        ("fov", "190"),
        ("mask_text", "masks.png is not a picture that can be read; give a PNG with a value for each object."),
        ("depth_text", "depth.npy is no NumPy file, whatever its name says; save metres"),
        ("depth_exr", "depth.exr is not a picture that can be read; give a 16 bit PNG in millimetres, or NPY"),
        ("depth_zero", "no valid pixel"),
        ("camera_keys", "lacks height, K; give width, height and K"),
        ("config_folder", "is a folder; give a TOML file"),
        ("megapixels", "error: --max-megapixels is not usable: it must be greater than 0 (got 0)."),
        ("megapixels_of_file", "'photo.max_megapixels' is not usable: it must be greater than 0 (got -1.5)."),
        ("device", "--device is not usable: choose auto, cpu, cuda, cuda:N or mps (got 'gpu')"),
    ],
)
def test_refused_data(room: RoomOnDisk, tmp_path: Path, name: str, sentence: str) -> None:
    out = tmp_path / "run"
    result = run(room.photo, "-o", out, *_given(name)(room, tmp_path))
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize("option", ["photo", "--masks", "--depth", "--camera"])
def test_pipes_are_refused_at_once(room: RoomOnDisk, tmp_path: Path, option: str) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    out = tmp_path / "run"
    arguments = [tmp_path / "pipe.png"] if option == "photo" else [room.photo, option, tmp_path / "pipe.png"]
    result = run(*arguments, "-o", out)
    assert result.exit_code == 2, result.output
    assert "pipe or a device" in result.stderr
    assert not out.exists()


def test_a_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    result = run(tmp_path / ("a" * 300 + ".jpg"), "-o", tmp_path / "run")
    assert result.exit_code == 2, result.output
    assert "check its name" in result.stderr


@pytest.mark.slow
def test_a_name_that_is_no_utf8(room: RoomOnDisk, tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"caf\xe9.png")
    photo.write_bytes(room.photo.read_bytes())
    out = tmp_path / "run"
    result = run(photo, "-o", out, *room.given)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "scene.json").read_text())["photo"]["file"] == "caf\N{REPLACEMENT CHARACTER}.png"


def test_hidden_files_in_a_folder_are_no_photos(tmp_path: Path) -> None:
    (tmp_path / "._room.jpg").write_bytes(b"Mac OS X")
    result = run(tmp_path, "-o", tmp_path / "run")
    assert result.exit_code == 2, result.output
    assert "has no photos" in result.stderr


def _picture_of(width: int, height: int) -> Callable[[RoomOnDisk, Path], Path]:
    def make(room: RoomOnDisk, tmp_path: Path) -> Path:
        Image.open(room.photo).resize((width, height)).save(tmp_path / "small.png")
        return tmp_path / "small.png"

    return make


@pytest.mark.parametrize("size_px", [(10, 10), (1, 400)])
def test_a_photo_of_few_pixels_is_refused_by_check_as_well(
    room: RoomOnDisk, tmp_path: Path, size_px: tuple[int, int]
) -> None:
    photo = _picture_of(*size_px)(room, tmp_path)
    for command in (["run", str(photo), "-o", str(tmp_path / "run")], ["check", str(photo)]):
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
        assert f"is {size_px[0]} x {size_px[1]} px, smaller than 32 px; use a larger photo." in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("size_px", [(32, 32), (40, 33), (33, 40)])
def test_the_smallest_photos_are_reconstructed(tmp_path: Path, size_px: tuple[int, int]) -> None:
    """Of so few pixels little can be known, but what there is ends in a scene."""
    Image.open(EXAMPLE_PHOTO).resize(size_px).save(tmp_path / "small.png")
    out = tmp_path / "run"
    result = run(tmp_path / "small.png", "-o", out)
    assert result.exit_code in (0, 5), result.output  # some are mere boxes
    assert any("reach out of the photo" in note for note in json.loads((out / "report.json").read_text())["notes"])
    scene = json.loads((out / "scene.json").read_text())
    assert scene["objects"]
    for item in scene["objects"]:
        assert np.isfinite([*item["size_m"], *np.ravel(item["T_world_from_node"])]).all(), item["name"]


@pytest.mark.parametrize("command", [("run", "--dry-run"), ("check",)])
def test_masks_and_depth_beside_a_photo_are_no_photos(
    room: RoomOnDisk, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for name in ("sofa.png", "sofa_mask.png", "sofa_depth.png", "sofa_instances.png", "white_mask.png"):
        Image.open(room.photo).save(tmp_path / name)
    (tmp_path / "raw.dng").write_bytes(b"raw")
    done = CliRunner().invoke(app, [*command, str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    assert [Path(document["photo"]).name for document in json.loads(done.stdout)] == ["sofa.png", "white_mask.png"]
    told = done.stderr
    assert "sofa_mask.png is left out" in told
    assert "sofa_depth.png is left out" in told
    assert "sofa_instances.png is left out" in told
    assert "raw.dng is left out: .dng is not read" in told
    alone = CliRunner().invoke(app, [*command, str(tmp_path / "sofa_mask.png"), "--json"])  # named, it is run
    assert alone.exit_code == 0, alone.output


def test_a_dry_run_of_a_folder_tells_of_the_good_and_the_bad_photos(room: RoomOnDisk, tmp_path: Path) -> None:
    folder, out = tmp_path / "Fotos, große", tmp_path / "run"
    folder.mkdir()
    (folder / "a.jpg").write_text("just text")
    (folder / "b c.png").write_bytes(room.photo.read_bytes())
    result = run(folder, "-o", out, "--dry-run")
    assert result.exit_code == 2, result.output
    assert str(out / "b c") in result.stdout
    assert f"{folder / 'a.jpg'} is not a picture" in result.stderr
    result = run(folder, "-o", out, "--dry-run", "--json")
    first, second = json.loads(result.stdout)
    assert "is not a picture" in first["error"]
    assert (second["photo"], second["stages"]["segment"]) == ("b c.png", "run")
    assert not out.exists()


def test_keys_of_a_camera_that_are_not_read_are_noted(room: RoomOnDisk, tmp_path: Path) -> None:
    facts = json.loads(room.camera.read_text())
    (tmp_path / "camera.json").write_text(json.dumps(facts | {"distortions": {"k1": 0.1}}))
    (note,) = read_camera(tmp_path / "camera.json", (160, 120)).notes
    assert note.startswith("camera.json has distortions, which is not read; width, height, K, T_world_from_cam, dist")
    assert read_camera(room.camera, (160, 120)).notes == ()


@pytest.mark.slow
def test_flags_that_the_camera_file_overrules_are_noted(room: RoomOnDisk, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run(room.photo, "-o", out, *room.given, "--fov", 90, "--camera-height", 3)
    assert result.exit_code == 0, result.output
    notes = " ".join(json.loads((out / "report.json").read_text())["notes"])
    assert "--fov 90 is not used" in notes
    assert "--camera-height 3 is not used" in notes


@pytest.mark.slow
def test_depth_beyond_16_bit_is_unknown_and_noted(room: RoomOnDisk, tmp_path: Path) -> None:
    z_m = np.array(room.scene.depth.z_m)
    z_m[:10] = 100.0
    np.save(tmp_path / "far.npy", z_m)
    out = tmp_path / "run"
    result = run(room.photo, "-o", out, "--masks", room.masks, "--depth", tmp_path / "far.npy", "--camera", room.camera)
    assert result.exit_code == 0, result.output
    assert (np.array(Image.open(out / "depth.png"))[:10] == 0).all()
    assert "1600 depth values" in (out / "report.json").read_text()


def test_each_of_several_errors_is_told_once(tmp_path: Path) -> None:
    photos = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for photo in photos:
        photo.write_text("just text")
    for more in ([], ["--dry-run"]):
        result = run(*photos, "-o", tmp_path / "out", *more)
        assert result.exit_code == 2, result.output
        told = [line for line in result.stderr.splitlines() if "is not a picture" in line]
        assert [line.partition(" is not ")[0] for line in told] == [str(photo) for photo in photos]
        assert ("0 of 2 photos are done" in result.stderr) != bool(more)
        assert len(result.stderr.splitlines()) == 2 + (not more)
    assert not (tmp_path / "out").exists()
