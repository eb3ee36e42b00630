"""The public names, and the size of the files behind them."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import pixal3d_scene

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FILE = 400
SOURCES = sorted([*(ROOT / "pixal3d_scene").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py"), ROOT / "cli.py"])


def test_the_list_of_names_is_sorted_and_complete() -> None:
    assert pixal3d_scene.__all__ == sorted(set(pixal3d_scene.__all__))
    assert set(pixal3d_scene.__all__) == set(pixal3d_scene._HOME)


@pytest.mark.parametrize("name", pixal3d_scene.__all__)
def test_every_name_is_what_its_home_defines(name: str) -> None:
    home = import_module(f"pixal3d_scene.{pixal3d_scene._HOME[name]}")
    public = getattr(pixal3d_scene, name)
    assert public is getattr(home, name)
    assert public.__module__ == home.__name__
    assert public.__doc__


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "pixal3d_scene" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == pixal3d_scene._HOME
    assert (ROOT / "pixal3d_scene" / "py.typed").exists()


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Fotografie'"):
        pixal3d_scene.Fotografie  # noqa: B018


def test_files_stay_short_enough_to_be_read() -> None:
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in SOURCES}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_no_module_is_named_after_a_drawer() -> None:
    assert {file.stem for file in SOURCES} & {"utils", "common", "misc", "helpers", "manager"} == set()


def test_every_module_says_what_it_is() -> None:
    assert [str(file) for file in SOURCES if not ast.get_docstring(ast.parse(file.read_text()))] == []
