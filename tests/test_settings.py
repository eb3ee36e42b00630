"""One tree of settings: who wins over whom, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from cli_settings import Quality, settings_of
from pixal3d_scene import settings as settings_module
from pixal3d_scene.errors import InputError
from pixal3d_scene.settings import Settings, preset_names, resolve_settings


def config(folder: Path, text: str) -> Path:
    file = folder / "my.toml"
    file.write_text(text)
    return file


def test_every_preset_resolves_at_every_quality() -> None:
    assert "embedded" in preset_names()
    for preset in preset_names():
        for quality in ("draft", "standard", "high"):
            resolved = resolve_settings(preset=preset, quality=quality)
            assert (resolved.preset, resolved.quality) == (preset, quality)


def test_quality_changes_the_defaults() -> None:
    voxels = [resolve_settings(quality=quality).generate.voxels for quality in ("draft", "standard", "high")]
    assert voxels == sorted(set(voxels))
    assert voxels[1] == Settings().generate.voxels


def test_defaults_quality_preset_file_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer names one key less than the layer below it, so that each wins once."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "mine.toml").write_text("[generate]\nmax_faces = 200\ntexture_px = 200\n[crop]\nsize_px = 200\n")
    file = config(tmp_path, "[generate]\ntexture_px = 300\n[crop]\nsize_px = 300\n")
    quality = {"generate": {"voxels": 100, "max_faces": 100, "texture_px": 100}, "crop": {"size_px": 100}}
    monkeypatch.setattr(settings_module.resources, "files", lambda _: folder)
    monkeypatch.setitem(settings_module.QUALITY, "draft", quality)

    resolved = resolve_settings(preset="mine", quality="draft", config_file=file, overrides={"crop": {"size_px": 400}})
    assert resolved.crop.margin == Settings().crop.margin  # the default
    assert resolved.generate.voxels == 100  # quality
    assert resolved.generate.max_faces == 200  # preset
    assert resolved.generate.texture_px == 300  # file
    assert resolved.crop.size_px == 400  # override


def test_the_resolved_tree_survives_its_file(tmp_path: Path) -> None:
    resolved = resolve_settings(quality="high", overrides={"seed": 7, "crop": {"mode": "naive"}})
    text = json.dumps(resolved.model_dump(mode="json"))
    assert Settings.model_validate(json.loads(text)) == resolved
    assert Settings.model_validate_json(resolved.model_dump_json()) == resolved


def test_the_tree_is_frozen() -> None:
    resolved = resolve_settings()
    with pytest.raises(ValidationError):
        resolved.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        resolved.crop.margin = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"sede": 3}, "'sede'"),
        ({"crop": {"margins": 1.2}}, "'crop.margins'"),
        ({"crop": {"margin": 0.5}}, "'crop.margin'"),
        ({"crop": {"margin": "wide"}}, "'wide'"),
        ({"crop": {"margin": float("nan")}}, "'crop.margin'"),
        ({"crop": 3}, "'crop'"),
        ({"seed": -1}, "'seed'"),
        ({"device": "abacus"}, "'abacus'"),
        ({"depth": {"fallback_fov_deg": 170.0}}, "'depth.fallback_fov_deg'"),
    ],
)
def test_unknown_keys_and_senseless_values_are_named(overrides: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        resolve_settings(overrides=overrides)


def test_unknown_presets_and_qualities_name_the_choices() -> None:
    with pytest.raises(InputError, match=r"'embeded'.*embedded"):
        resolve_settings(preset="embeded")
    with pytest.raises(InputError, match=r"'quality' is not usable.*'draft', 'standard' or 'high'.*'best'"):
        resolve_settings(overrides={"quality": "best"})


def test_unusable_config_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.toml"):
        resolve_settings(config_file=tmp_path / "gone.toml")
    with pytest.raises(InputError, match=r"my\.toml is not valid TOML"):
        resolve_settings(config_file=config(tmp_path, "crop = [\n"))
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"binary\.toml"):
        resolve_settings(config_file=tmp_path / "binary.toml")
    with pytest.raises(InputError, match="colour"):
        resolve_settings(config_file=config(tmp_path, "colour = 3\n"))


def test_resolving_leaves_the_quality_table_alone() -> None:
    before = json.dumps(settings_module.QUALITY)
    resolve_settings(quality="draft", overrides={"generate": {"voxels": 99}})
    assert json.dumps(settings_module.QUALITY) == before
    assert resolve_settings(quality="draft").generate.voxels != 99


def test_sharing_meshes_is_asked_for_on_the_command_line() -> None:
    asked = settings_of("embedded", Quality.standard, flags={"layout.share_duplicates": True})
    assert asked.layout.share_duplicates
    assert not settings_of("embedded", Quality.standard).layout.share_duplicates
    assert asked.layout.snap_m == resolve_settings().layout.snap_m
