"""What the docs say is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from pipelines.settings_page import settings_page

ROOT = Path(__file__).resolve().parents[1]


def test_settings_page_is_up_to_date() -> None:
    # `python -m pipelines.settings_page > docs/settings.md` renews it.
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]), ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_names_commands_and_options_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    usage = readme.split("## Use")[1].split("Exit codes")[0]
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).stdout
    for option in set(re.findall(r"--[a-z-]+", usage)):
        assert option in shown, option
    commands = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    for command in ("run", "check", "demo", "inspect", "doctor", "evaluate"):
        assert command in readme
        assert command in commands


def test_make_targets_of_the_readme_exist() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for targets in re.findall(r"make ((?:[a-z-]+ ?)+)", readme):
        for target in targets.split():
            if target in ("test", "test-fast", "lint", "types", "demo", "system"):
                assert re.search(rf"^{target}:", makefile, re.M), target


def test_file_map_names_what_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r"^\| (?:· )?((?:`[^`]+` ?)+) \|", readme, re.M):
        for path in re.findall(r"`([^`*]+)`", name):
            places = [ROOT / path, ROOT / "pixal3d_scene" / path, ROOT / "pixal3d_scene" / f"{path}.py"]
            assert any(p.exists() for p in places), path


def test_module_runs_as_the_readme_says() -> None:
    done = subprocess.run([sys.executable, ROOT / "cli.py", "run", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--masks" in done.stdout
