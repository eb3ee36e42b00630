"""A revision follows the source: other files, other revision; no files, no silent constant."""

from __future__ import annotations

import pytest

from pixal3d_scene.code_revision import code_revision


def test_parts_have_revisions_of_their_own() -> None:
    revisions = {code_revision("layout/*.py"), code_revision("export/*.py"), code_revision("generator/lift*.py")}
    assert len(revisions) == 3
    assert code_revision("layout/*.py") in revisions


def test_a_pattern_without_files_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        code_revision("nowhere/*.py")
