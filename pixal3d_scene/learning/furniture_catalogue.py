"""The furniture libraries (.sh3f) of Sweet Home 3D: which models there are, how large, by whom, under which licence.

A library is a ZIP archive with a properties file and one folder per model (OBJ, MTL, textures).
"""

from __future__ import annotations

import io
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .model_words import Role, role_of

_CATALOGUE = "PluginFurnitureCatalog.properties"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueModel:
    """One model of a library.

    name: LIBRARY/FILE, unique. title: the catalogue's word for it. size_m: (width, height, depth). member: its OBJ
    file in the archive. rotation: of the file's axes before the size is applied. elevation_m: where it usually hangs.
    """

    name: str
    title: str
    category: str
    creator: str
    licence: str
    size_m: tuple[float, float, float]
    elevation_m: float
    member: str
    rotation: Float[np.ndarray, "3 3"]

    @property
    def role(self) -> Role | None:
        return role_of(self.title, self.category, self.size_m, self.elevation_m)


def libraries(folder: Path) -> tuple[Path, ...]:
    """The library files of a folder, by name; InputError where there are none."""
    found = tuple(sorted(folder.glob("*.sh3f")))
    if not found:
        raise InputError(
            f"{folder} holds no furniture library (*.sh3f). Install Debian's package sweethome3d-furniture, "
            "or name the folder with --from."
        )
    return found


def read_catalogue(library: Path) -> tuple[CatalogueModel, ...]:
    """All models of one library that are OBJ files with a size, in the catalogue's order."""
    with ZipFile(library) as archive:
        text = archive.read(_CATALOGUE).decode("latin-1")
    licence = " ".join(re.findall(r"^license=(.*)$", text, re.M)[:1]).strip()
    entries: dict[int, dict[str, str]] = defaultdict(dict)
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\s*$", text, re.M):
        entries[int(number)][key] = value
    return tuple(_model(library.stem, entry, licence) for _, entry in sorted(entries.items()) if _is_model(entry))


def model_files(archive: ZipFile, member: str) -> dict[str, io.BytesIO]:
    """The files beside a model's OBJ file, by their path from there, as trimesh's resolver takes them."""
    folder = posixpath.dirname(member) + "/"
    return {n[len(folder) :]: io.BytesIO(archive.read(n)) for n in _files_under(archive, folder)}


def _files_under(archive: ZipFile, folder: str) -> Iterator[str]:
    return (n for n in archive.namelist() if n.startswith(folder) and not n.endswith("/"))


def _is_model(entry: dict[str, str]) -> bool:
    return entry.get("model", "").lower().endswith(".obj") and {"name", "width", "depth", "height"} <= set(entry)


def _model(library: str, entry: dict[str, str], licence: str) -> CatalogueModel:
    width, height, depth, elevation = (float(entry.get(k, 0)) / 100 for k in ("width", "height", "depth", "elevation"))
    rotation = np.array([float(v) for v in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()]).reshape(3, 3)
    member = entry["model"].lstrip("/")
    return CatalogueModel(
        name=f"{library}/{posixpath.splitext(posixpath.basename(member))[0]}",
        title=entry["name"],
        category=entry.get("category", ""),
        creator=entry.get("creator", "unknown"),
        licence=licence,
        size_m=(width, height, depth),
        elevation_m=elevation,
        member=member,
        rotation=rotation,
    )
