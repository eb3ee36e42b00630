"""Flags in, the settings of a run out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixal3d_scene.settings import Settings


class Quality(StrEnum):
    """Steps and resolution in one dial."""

    draft = "draft"
    standard = "standard"
    high = "high"


def settings_of(
    preset: str, quality: Quality, config: Path | None = None, flags: dict[str, Any] | None = None
) -> Settings:
    """flags: by the setting's dotted name; None where the flag was not given."""
    from pixal3d_scene.settings import resolve_settings

    overrides: dict[str, Any] = {}
    called: dict[str, str] = {}
    for name, value in (flags or {}).items():
        if value is not None:
            *tables, key = name.split(".")
            called[name] = f"--{key.replace('_', '-')}"
            table = overrides
            for part in tables:
                table = table.setdefault(part, {})
            table[key] = value
    return resolve_settings(
        preset=preset, quality=quality.value, config_file=config, overrides=overrides, called=called
    )
