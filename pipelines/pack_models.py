"""Pack the furniture models of Sweet Home 3D for training: `python -m pipelines.pack_models OUT.npz`.

Reads the libraries of Debian's package `sweethome3d-furniture` (or of --from FOLDER), leaves out the test models of
`pixal3d_scene/learning/split.txt`, adds variants of our own furniture, and writes one file. `--attribution FILE.md`
writes who made the models. `--propose-split ROOMS` prints a new split for rooms with a `scene.json` each.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from jaxtyping import Float

from pixal3d_scene.asset import Mesh
from pixal3d_scene.learning.furniture import CATALOGUE, make, random_size
from pixal3d_scene.learning.furniture_catalogue import CatalogueModel, libraries, read_catalogue
from pixal3d_scene.learning.model_mesh import PackedMesh, pack_parts, read_model
from pixal3d_scene.learning.model_pack import PackedModel, pack_models, write_pack
from pixal3d_scene.learning.model_split import ModelSplit, alike, occupancy, read_split
from pixal3d_scene.learning.model_tops import support_tops
from pixal3d_scene.learning.model_words import PLACES
from pixal3d_scene.learning.shapes import corner_normals

PACKAGE_FOLDER = Path("/usr/share/sweethome3d/furniture")
_OUR_LABELS = {
    "books": "book", "bookshelf": "bookcase", "cardboard box": "box", "crate": "box", "dining chair": "chair",
    "dining table": "table", "floor lamp": "lamp", "office chair": "chair", "round table": "table",
    "table lamp": "lamp",
}  # fmt: skip
_OUR_PLACES = {"wall": "back", "corner": "free", "free": "free", "top": "top", "hung": "hung"}
_TWINS = 0.55  # alike() from which two models count as the same
_VALIDATION = 0.1


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, pack, and say what was packed."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.pack_models", description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="the file to write (.npz)")
    parser.add_argument("--from", dest="folder", type=Path, default=PACKAGE_FOLDER, help="folder with *.sh3f files")
    parser.add_argument("--faces", type=int, default=1200, help="triangles per model, about")
    parser.add_argument("--variants", type=int, default=6, help="of every kind of our own furniture")
    parser.add_argument("--attribution", type=Path, help="write the list of models, creators and licences here")
    parser.add_argument("--propose-split", dest="rooms", type=Path, help="print a split for these rooms and stop")
    given = parser.parse_args(arguments)
    models = [m for library in libraries(given.folder) for m in read_catalogue(library) if m.role is not None]
    if given.attribution:
        given.attribution.write_text(attribution_page(models), encoding="utf-8")
    if given.rooms:
        print(proposed_split(models, given.folder, given.rooms, given.faces))
    if given.out:
        packed = [*packed_models(models, given.folder, given.faces), *our_furniture(given.variants, given.faces)]
        write_pack(pack_models(packed), given.out)
        held_back = sum(m.validation for m in packed)
        print(f"{given.out}: {len(packed)} models, {held_back} for validation, {given.out.stat().st_size / 1e6:.1f} MB")


def packed_models(models: Sequence[CatalogueModel], folder: Path, faces: int) -> Iterator[PackedModel]:
    """The models that are not for the test; what cannot be read is named on stderr and left out."""
    split = read_split()
    for model, mesh in _meshes(models, folder, faces):
        packed = _packed(model, mesh, split)
        if packed is not None:
            yield packed


def our_furniture(variants: int, faces: int) -> Iterator[PackedModel]:
    """`variants` pieces of every kind of the parametric catalogue."""
    for k, kind in enumerate(sorted(CATALOGUE)):
        for number in range(variants):
            rng = np.random.default_rng([k, number])
            mesh = pack_parts(make(kind, rng, random_size(kind, rng)), faces)
            label = _OUR_LABELS.get(kind, kind)
            yield PackedModel(
                name=f"parametric/{kind.replace(' ', '_')}_{number}",
                label=label,
                place=PLACES.index(_OUR_PLACES[CATALOGUE[kind].place]),
                elevation_m=1.3 if kind == "picture" else 0.0,
                validation=number == variants - 1 and variants > 4,
                geometry=mesh.geometry,
                vertices=mesh.vertices,
                colours=mesh.colours,
                part=mesh.part,
                faces=mesh.faces,
                normals=_normals(mesh),
                tops=support_tops(mesh, label),
            )


def _meshes(models: Sequence[CatalogueModel], folder: Path, faces: int) -> Iterator[tuple[CatalogueModel, PackedMesh]]:
    for library in libraries(folder):
        with ZipFile(library) as archive:
            for model in (m for m in models if m.name.split("/")[0] == library.stem):
                try:
                    mesh = read_model(archive, model, faces)
                except (ValueError, KeyError, IndexError, OSError) as error:
                    print(f"{model.name} left out: {error}", file=sys.stderr)
                    continue
                yield model, mesh


def _packed(model: CatalogueModel, mesh: PackedMesh, split: ModelSplit) -> PackedModel | None:
    role, of = model.role, split.role(model.name, mesh.geometry)
    if role is None or of == "test":
        return None
    return PackedModel(
        name=model.name,
        label=role.label,
        place=PLACES.index(role.place),
        elevation_m=model.elevation_m,
        validation=of == "validation",
        geometry=mesh.geometry,
        vertices=mesh.vertices,
        colours=mesh.colours,
        part=mesh.part,
        faces=mesh.faces,
        normals=_normals(mesh),
        tops=support_tops(mesh, role.label),
    )


def _normals(mesh: PackedMesh) -> Float[np.ndarray, "F 3 3"]:
    return corner_normals(Mesh(vertices=mesh.vertices, faces=mesh.faces))


def proposed_split(models: Sequence[CatalogueModel], folder: Path, rooms: Path, faces: int) -> str:
    """The lines of a split: models of the rooms and all that look like one are for the test, a tenth for validation.

    Models that look alike are held back together, since a network that has seen the one knows the other.
    """
    used = {o["source"] for file in sorted(rooms.glob("*/scene.json")) for o in json.loads(file.read_text())["objects"]}
    known = [(m, mesh) for m, mesh in _meshes(models, folder, faces)]
    names = [m.name for m, _ in known]
    missing = used - set(names)
    grids = [occupancy(_samples(mesh), np.ptp(mesh.vertices, axis=0)) for _, mesh in known]
    hashes = [mesh.geometry for _, mesh in known]
    lines = [f"# {len(known)} models for rooms; what is not listed is for training. Written by --propose-split."]
    test = {k for k, name in enumerate(names) if name in used}
    reasons = dict.fromkeys(test, "")
    for k in range(len(names)):
        twin = next((t for t in sorted(reasons) if k not in test and alike(grids[t], grids[k]) > _TWINS), None)
        if twin is not None and twin in test:
            reasons[k] = f" # looks like {names[twin]}"
    lines += [f"test {names[k]} {hashes[k]}{reasons[k]}" for k in sorted(reasons)]
    lines += [f"test {name} -" for name in sorted(missing)]
    rest = [k for k in range(len(names)) if k not in reasons]
    chosen: set[int] = set()
    for k in np.random.default_rng(0).permutation(rest).tolist():
        if len(chosen) >= _VALIDATION * len(rest):
            break
        chosen |= {k, *(j for j in rest if alike(grids[k], grids[j]) > _TWINS)}
    lines += [f"validation {names[k]} {hashes[k]}" for k in sorted(chosen)]
    return "\n".join(lines)


def _samples(mesh: PackedMesh, count: int = 6000) -> Float[np.ndarray, "n 3"]:
    """Points spread evenly over the surface."""
    rng = np.random.default_rng(0)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return a[face] + u * (b[face] - a[face]) + v * (c[face] - a[face])


def attribution_page(models: Sequence[CatalogueModel]) -> str:
    """Who made the models that training data is composed of."""
    lines = [
        "# Models that training data is composed of",
        "",
        "From the furniture libraries of Sweet Home 3D (www.sweethome3d.com, Emmanuel Puybaret / eTeks), as packaged",
        "in Debian's `sweethome3d-furniture`. The models are not part of this repository: they are read when training",
        "data is packed, are simplified, and are shown in other colours.",
        "`python -m pipelines.pack_models --attribution docs/model-attribution.md` writes this list.",
        "",
        "| model | title | creator | licence |",
        "|---|---|---|---|",
    ]
    lines += [f"| {m.name} | {m.title} | {m.creator} | {_short(m.licence)} |" for m in models]
    return "\n".join(lines) + "\n"


def _short(licence: str) -> str:
    """Without the control characters and copyright signs of other encodings."""
    return " ".join("".join(c if c.isprintable() and ord(c) < 127 else " " for c in licence).split())


if __name__ == "__main__":
    main()
