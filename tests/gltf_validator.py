"""The Khronos glTF validator (npm package gltf-validator) as a function; skips the test where it is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent / "export"
INSTALL = "npm install --prefix tests/export --no-package-lock"


def validator_report(glb: bytes, tmp_path: Path) -> dict[str, Any]:
    """The validator's report: `issues` with numErrors, numWarnings, numInfos, numHints, messages; `info`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("the program node is not installed (Debian packages nodejs and npm)")
    if not (FOLDER / "node_modules" / "gltf-validator").is_dir():
        pytest.skip(f"the npm package gltf-validator is not installed ({INSTALL})")
    file = tmp_path / "validate.glb"
    file.write_bytes(glb)
    script = str(FOLDER / "validate_glb.js")
    done = subprocess.run([node, script, str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
