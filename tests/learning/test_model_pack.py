"""Furniture libraries in, one compact file out; test models never get in, under whatever name."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import trimesh
from training_cases import small_pack

from pipelines.pack_models import _TWINS, PACKAGE_FOLDER, attribution_page, main, packed_models
from pixal3d_scene.asset import Mesh
from pixal3d_scene.errors import InputError
from pixal3d_scene.learning.furniture_catalogue import libraries, read_catalogue
from pixal3d_scene.learning.model_mesh import PackedMesh
from pixal3d_scene.learning.model_pack import read_pack, write_pack
from pixal3d_scene.learning.model_split import ModelSplit, alike, geometry_hash, occupancy, read_split
from pixal3d_scene.learning.model_tops import largest_rectangle, support_tops
from pixal3d_scene.learning.model_words import role_of
from pixal3d_scene.learning.vocabulary import LABELS

_MTL = "newmtl red\nKd 0.8 0.1 0.1\nnewmtl blue\nKd 0.1 0.1 0.8\n"


def table_obj(turned: bool = False, shuffled: bool = False) -> str:
    """A table with a red top and one blue leg at -x -z, so that turns and mirrors show; in units of its own."""
    boxes = [((0, 7.5, 0), (20, 0.5, 10), "red"), ((-9, 3.6, -4), (1, 7.25, 1), "blue")]
    lines, offset = ["mtllib table.mtl"], 1
    for centre, size, material in boxes[:: -1 if shuffled else 1]:
        box = trimesh.creation.box(extents=size)
        vertices = box.vertices + centre
        if turned:
            vertices = vertices[:, [2, 1, 0]] * [1, 1, -1]
        lines += [f"v {x} {y} {z}" for x, y, z in vertices.tolist()] + [f"usemtl {material}"]
        lines += ["f " + " ".join(str(k + offset) for k in face) for face in box.faces.tolist()]
        offset += len(vertices)
    return "\n".join(lines)


def write_library(folder: Path, models: Sequence[tuple[str, str, str]], rotation: str = "") -> Path:
    """A library TEST.sh3f of (file name, title, OBJ text); each 200 x 100 cm, 77.5 cm high."""
    file = folder / "TEST.sh3f"
    rows = ["license=CC0"]
    for k, (name, title, _) in enumerate(models, start=1):
        rows += [f"name#{k}={title}", f"category#{k}=Living room", f"creator#{k}=A. Carpenter"]
        rows += [f"model#{k}=/test/{name}/{name}.obj", f"width#{k}=200", f"depth#{k}=100", f"height#{k}=77.5"]
        rows += [f"modelRotation#{k}={rotation}"] if rotation else []
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "\n".join(rows))
        for name, _, text in models:
            archive.writestr(f"test/{name}/{name}.obj", text)
            archive.writestr(f"test/{name}/table.mtl", _MTL)
    return file


def test_a_model_comes_in_its_true_size_with_its_colours(tmp_path: Path) -> None:
    library = write_library(tmp_path, [("oak", "Oak table", table_obj())])
    (model,) = packed_models(read_catalogue(library), tmp_path, 1200)
    assert (model.name, model.label) == ("TEST/oak", "table")
    np.testing.assert_allclose(
        [model.vertices.min(axis=0), model.vertices.max(axis=0)], [[-1, 0, -0.5], [1, 0.775, 0.5]]
    )
    blue = model.colours[:, 2] > 150
    assert (model.vertices[blue] < [-0.7, 1.0, 0.0]).all()  # the leg stays at -x -z
    assert (model.part[blue] == 1).all()  # the top has the larger area
    np.testing.assert_allclose(model.colours[~blue], [[204, 26, 26]] * int((~blue).sum()), atol=1)
    # Its top carries things: all of it, at its height.
    np.testing.assert_allclose(model.tops[0, :5], [0.775, -1, 1, -0.5, 0.5], atol=1e-6)


def test_a_catalogue_rotation_is_applied(tmp_path: Path) -> None:
    library = write_library(tmp_path, [("oak", "Oak table", table_obj(turned=True))], rotation="0 0 -1 0 1 0 1 0 0")
    (model,) = packed_models(read_catalogue(library), tmp_path, 1200)
    assert (model.vertices[model.colours[:, 2] > 150] < [-0.7, 1.0, 0.0]).all()


def test_test_models_are_left_out_by_name_and_by_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = table_obj().replace("v 10.0 7.75", "v 10.0 9.0")
    models = [("oak", "Table", table_obj()), ("copy", "Stool", table_obj(shuffled=True)), ("other", "Table", other)]
    library = write_library(tmp_path, models)
    found = {m.name: m.geometry for m in packed_models(read_catalogue(library), tmp_path, 1200)}
    assert set(found) == {"TEST/oak", "TEST/copy", "TEST/other"}
    assert found["TEST/oak"] == found["TEST/copy"] != found["TEST/other"]
    split = ModelSplit(test={"TEST/oak": found["TEST/oak"]}, validation={"TEST/other": found["TEST/other"]})
    monkeypatch.setattr("pipelines.pack_models.read_split", lambda: split)
    (kept,) = packed_models(read_catalogue(library), tmp_path, 1200)
    assert kept.name == "TEST/other"
    assert kept.validation


def test_the_split_of_the_repository_is_sound() -> None:
    split = read_split()
    assert len(split.test) >= 50
    assert len(split.validation) >= 40
    assert not set(split.test) & set(split.validation)
    assert not set(split.test.values()) & set(split.validation.values())


@pytest.mark.slow
def test_no_test_model_of_the_real_libraries_is_trained_on() -> None:
    if not PACKAGE_FOLDER.is_dir():
        pytest.skip("Debian's package sweethome3d-furniture is not installed")
    split = read_split()
    held_back = {*split.test.values()}
    library = PACKAGE_FOLDER / "KatorLegaz.sh3f"
    models = [m for m in read_catalogue(library) if m.role is not None]
    packed = list(packed_models(models, PACKAGE_FOLDER, 600))
    assert len(packed) > 40
    assert not {m.name for m in packed} & set(split.test)
    assert not {m.geometry for m in packed} & held_back
    names = {m.name for file in libraries(PACKAGE_FOLDER) for m in read_catalogue(file)}
    assert set(split.test) | set(split.validation) <= names  # a misspelt name would hold nothing back


def test_the_hash_knows_a_shape_again_but_not_another() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (500, 3))
    again = points[rng.permutation(500)] * 3.0 + [1.0, 2.0, 3.0]
    assert geometry_hash(points) == geometry_hash(again)
    assert geometry_hash(points) != geometry_hash(points[:, [2, 1, 0]])


def test_alike_models_are_alike_turned_or_mirrored() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate(
        [rng.uniform([-0.5, 0, -0.5], [0.5, 0.1, 0.5], (4000, 3)), rng.uniform([0.3, 0, 0.3], [0.5, 1, 0.5], (4000, 3))]
    )
    one = occupancy(points, np.ones(3))
    assert alike(one, occupancy(points * [-1, 1, 1], np.ones(3))) > 0.9
    assert alike(one, occupancy(points[:, [2, 1, 0]] * [1, 1, -1], np.ones(3))) > 0.9
    ball = rng.normal(size=(8000, 3))
    ball = ball / np.linalg.norm(ball, axis=1, keepdims=True) / 2 + [0, 0.5, 0]
    assert alike(one, occupancy(ball, np.ones(3))) < _TWINS / 2


def test_the_largest_rectangle() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:5, 2:7] = True
    mask[0, :] = True
    mask[2, 6] = False
    assert largest_rectangle(mask) == (0, 2, 5, 4)
    assert largest_rectangle(np.zeros((3, 3), dtype=bool)) == (0, 0, 0, 0)


def test_shelves_have_levels_with_the_free_height_above() -> None:
    def board(size: tuple[float, float, float], y: float) -> trimesh.Trimesh:
        return trimesh.creation.box(extents=size).apply_translation((0, y, 0))

    foot = board((0.01, 0.02, 0.01), 0.01)
    joined = trimesh.util.concatenate([*(board((0.8, 0.02, 0.3), y) for y in (0.2, 0.6, 1.19)), foot])
    faces = np.asarray(joined.faces, dtype=np.int64)
    mesh = PackedMesh(
        vertices=np.asarray(joined.vertices),
        faces=faces,
        colours=np.zeros((len(joined.vertices), 3), dtype=np.uint8),
        part=np.zeros(len(joined.vertices), dtype=np.uint8),
        geometry="",
    )
    tops = support_tops(mesh, "shelf")
    np.testing.assert_allclose(tops[:, 0], [1.2, 0.61, 0.21], atol=1e-6)
    np.testing.assert_allclose(tops[1:, 5], [0.57, 0.38], atol=0.025)  # under the lower side of the next board
    np.testing.assert_allclose(tops[:, 1:5], [[-0.4, 0.4, -0.15, 0.15]] * 3, atol=1e-6)
    assert len(support_tops(mesh, "plant")) == 0


@pytest.mark.parametrize(
    ("title", "label"),
    [("Corner sofa", "sofa"), ("Table fan", "fan"), ("Bedside table", "nightstand"), ("Desk lamp", "lamp"),
     ("Truck", None), ("TV remote control", "object"), ("Coffee table", "coffee table"), ("Wall socket", None),
     ("Piano bench", "stool")],
)  # fmt: skip
def test_words_for_titles(title: str, label: str | None) -> None:
    role = role_of(title, "Living room", (0.5, 0.5, 0.5), 0.0)
    assert (role.label if role else None) == label
    assert label is None or label in LABELS


def test_a_pack_survives_its_file(tmp_path: Path) -> None:
    pack = small_pack()
    write_pack(pack, tmp_path / "pack.npz")
    back = read_pack(tmp_path / "pack.npz")
    assert back.names == pack.names
    for m in range(len(pack)):
        np.testing.assert_array_equal(back.vertices_node(m), pack.vertices_node(m))
        low, high = back.vertices_node(m).min(axis=0), back.vertices_node(m).max(axis=0)
        np.testing.assert_allclose(high - low, back.size_m[m], rtol=1e-3)
        assert low[1] == pytest.approx(0, abs=1e-6)
        assert back.faces_of(m).max() < len(back.vertices_node(m))
        Mesh(vertices=back.vertices_node(m), faces=back.faces_of(m))


def test_the_command_packs_and_names_the_makers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_library(tmp_path, [("oak", "Oak table", table_obj())])
    out, page = tmp_path / "pack.npz", tmp_path / "makers.md"
    main([str(out), "--from", str(tmp_path), "--variants", "0", "--attribution", str(page)])
    assert "1 models" in capsys.readouterr().out
    assert read_pack(out).names == ("TEST/oak",)
    assert "| TEST/oak | Oak table | A. Carpenter | CC0 | train |" in page.read_text()
    assert attribution_page([]).startswith("# Models")


def test_a_folder_without_libraries_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sweethome3d-furniture"):
        libraries(tmp_path)
