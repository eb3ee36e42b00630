"""What may import what, and how little `import pixal3d_scene` loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from pixal3d_scene.camera import Camera

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pixal3d_scene"

HEAVY = ("torch", "trimesh", "scipy", "pydantic", "skimage", "open3d", "transformers", "networkx", "PIL", "numpy")
ABOVE = {"cli", "pipelines", "configs", "typer", "rich"}
MAY_IMPORT_TORCH = ("autoencoder", "conditioning", "frontend", "generator", "learning", "sparse", "weights")


def imported_by(file: Path) -> Iterator[str]:
    """Top-level names of the absolute imports of a file, those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_import_loads_nothing_heavy() -> None:
    program = f"import sys, pixal3d_scene; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert result.stdout.split() == []
    assert result.stderr == ""


def test_the_value_types_load_no_model_code() -> None:
    program = (
        "import sys, pixal3d_scene as p; [getattr(p, name) for name in p.__all__];"
        "print(*[m for m in ('torch', 'transformers', 'open3d', 'pyrender', 'typer', 'rich') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert result.stdout.split() == []


def test_the_package_knows_nothing_above_it() -> None:
    # The settings read the presets that ship beside the package; they name that folder and do not import it.
    assert {str(file): found for file in modules() if (found := set(imported_by(file)) & ABOVE)} == {}


def test_only_networks_and_their_adapters_import_torch() -> None:
    users = {file.relative_to(PACKAGE).parts[0] for file in modules() if "torch" in imported_by(file)}
    assert users <= set(MAY_IMPORT_TORCH)


def test_pipelines_do_not_know_the_command_line() -> None:
    for file in sorted((ROOT / "pipelines").rglob("*.py")):
        assert not set(imported_by(file)) & {"cli", "typer", "rich"}, file


def test_the_package_neither_prints_nor_exits() -> None:
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "exit", "quit", "input"), f"{file}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("sys", "exit"), f"{file}:{node.lineno}"


@pytest.mark.parametrize("K", [np.eye(4), np.zeros(3), np.eye(3, dtype=int)])
def test_wrong_shapes_and_types_raise_while_testing(K: np.ndarray) -> None:
    """A canary: if the annotations were not checked, every other test would check less than it says."""
    with pytest.raises(TypeCheckError):
        Camera(K=K, size_px=(10, 10))


def test_shapes_are_checked_across_arguments_while_testing() -> None:
    camera = Camera.from_focal(focal_px=10.0, size_px=(10, 10))
    with pytest.raises(TypeCheckError):
        camera.unproject(np.zeros((5, 2)), np.ones(4))
