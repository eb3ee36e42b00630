"""A revision follows the source: other files, other revision; no files, no silent constant, and nothing at import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pixal3d_scene.code_revision import code_revision
from pixal3d_scene.errors import BackendMissing


def test_parts_have_revisions_of_their_own() -> None:
    revisions = {code_revision("layout/*.py"), code_revision("export/*.py"), code_revision("generator/lift*.py")}
    assert len(revisions) == 3
    assert code_revision("layout/*.py") in revisions


def test_a_pattern_without_files_is_a_mistake() -> None:
    with pytest.raises(BackendMissing, match=r"nowhere/\*\.py are not in this installation .*; install it again"):
        code_revision("nowhere/*.py")


def test_nothing_needs_the_source_when_it_is_imported() -> None:
    # As in an installation of compiled files alone: every module can be imported, and the sentence comes when a
    # revision is asked for.
    program = (
        "import importlib, pkgutil, pathlib\n"
        "import pixal3d_scene, pixal3d_scene.code_revision as c\n"
        "c._PACKAGE = pathlib.Path('/nowhere')\n"
        "for m in pkgutil.walk_packages(pixal3d_scene.__path__, 'pixal3d_scene.'): importlib.import_module(m.name)\n"
        "from pixal3d_scene.generator.box import Boxes\n"
        "try: Boxes()\n"
        "except pixal3d_scene.errors.BackendMissing as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "generator/box.py are not in this installation (/nowhere)" in done.stdout
