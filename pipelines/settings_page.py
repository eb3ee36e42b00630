"""The settings as a page of text: names, defaults and meanings, taken from the code itself.

python -m pipelines.settings_page > docs/settings.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pixal3d_scene.settings import QUALITY, Settings, preset_names

_HEAD = """# Settings

Defaults < `--quality` < preset < `--config FILE.toml` < flags. The resolved tree is in the run's manifest.
In a TOML file a row such as `generate.voxels` is the key `voxels` of the table `[generate]`.

| setting | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """Markdown with one row per setting, and what the quality dial changes."""
    rows = "".join(f"| `{name}` | `{default}` | {meaning} |\n" for name, default, meaning in _rows(Settings, ""))
    dial = "".join(
        f"| `{quality}` | {', '.join(_changes(tree, '')) or 'defaults'} |\n" for quality, tree in QUALITY.items()
    )
    presets = ", ".join(f"`{name}`" for name in preset_names())
    return f"{_HEAD}{rows}\n| quality | changes |\n|---|---|\n{dial}\nPresets: {presets} (`configs/`).\n"


def _rows(tree: type[BaseModel], prefix: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, field in tree.model_fields.items():
        if isinstance(field.default, BaseModel):
            rows += _rows(type(field.default), f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(field.default), (field.description or "").replace("|", "or")))
    return rows


def _changes(tree: Mapping[str, Any], prefix: str) -> list[str]:
    changes = []
    for name, value in tree.items():
        nested = isinstance(value, Mapping)
        changes += _changes(value, f"{prefix}{name}.") if nested else [f"`{prefix}{name}` = {value}"]
    return changes


if __name__ == "__main__":
    print(settings_page(), end="")
