"""The inpainting adapter with real pipelines of tiny networks: loaded from a folder, offline, the same every time."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hidden_cases import BEHIND, hidden_in, two_boxes
from hub_cache import COMMIT, add_to_cache
from tiny_inpainting import write_tiny_flux_fill, write_tiny_inpainting, write_tiny_sdxl

from pipelines import models
from pixal3d_scene.errors import BackendMissing, InputError, StageFailed
from pixal3d_scene.frontend.completer import Completer, Completion
from pixal3d_scene.frontend.inpaint import Inpaint
from pixal3d_scene.progress import Silent
from pixal3d_scene.settings import CompleteSettings
from pixal3d_scene.weights.registry import published, published_as

PART = hidden_in(two_boxes(), BEHIND, size_px=96)
assert PART is not None
BLUE = (10.0, 20.0, 200.0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the adapter reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("PIXAL3D_CACHE", str(tmp_path / "own"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_inpainting(tmp_path_factory.mktemp("inpainting") / "tiny")


def adapter(folder: Path | str, **settings: Any) -> Inpaint:
    return Inpaint(CompleteSettings(weights=str(folder), steps=2, **settings), device="cpu")


def painted(completer: Completer, seed: int = 5) -> np.ndarray:
    assert PART is not None
    (result,) = completer.complete([PART], [seed], Silent())
    assert isinstance(result, Completion), result
    return result.rgba


def test_it_is_a_completer(tiny: Path) -> None:
    assert isinstance(adapter(tiny), Completer)


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_tiny_inpainting, write_tiny_sdxl, write_tiny_flux_fill])
def test_every_family_paints_what_its_decoder_says(write: Callable[..., Path], tmp_path: Path) -> None:
    """A decoder of one colour: that colour arrives in the hole, to the rounding of 8 bits."""
    assert PART is not None
    rgba = painted(adapter(write(tmp_path / "tiny", colour=BLUE), picture_px=32))
    assert rgba.shape == PART.volume.rgba.shape
    np.testing.assert_allclose(rgba[PART.hole][:, :3], np.tile(BLUE, (int(PART.hole.sum()), 1)), atol=1)


def test_the_same_seed_gives_the_same_picture(tiny: Path) -> None:
    first, again, other = painted(adapter(tiny)), painted(adapter(tiny)), painted(adapter(tiny), seed=6)
    assert np.array_equal(first, again)
    assert not np.array_equal(first[..., :3], other[..., :3])


def test_an_object_does_not_depend_on_its_company(tiny: Path) -> None:
    assert PART is not None
    other = hidden_in(two_boxes(), BEHIND, size_px=64)
    assert other is not None
    results = adapter(tiny).complete([other, PART], [1, 5], Silent())
    assert isinstance(results[1], Completion)
    assert np.array_equal(results[1].rgba, painted(adapter(tiny)))


def test_the_mask_stays_in_the_visible_part_and_the_hole(tiny: Path) -> None:
    assert PART is not None
    mask = painted(adapter(tiny))[..., 3] > 0
    assert not (mask & ~PART.hole & (PART.volume.rgba[..., 3] < 128)).any()


def test_a_broken_network_is_a_failure_and_no_picture(tmp_path: Path) -> None:
    assert PART is not None
    nan = float("nan")
    (result,) = adapter(write_tiny_inpainting(tmp_path / "nan", colour=(nan, nan, nan))).complete([PART], [0], Silent())
    assert isinstance(result, StageFailed)
    assert "not finite" in result.reason


def test_what_cannot_be_painted_does_not_end_the_others(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PART is not None
    completer = adapter(tiny)
    paint = completer._paint
    calls = iter([RuntimeError("out of memory"), None])

    def sometimes(*arguments: Any) -> Any:
        error = next(calls)
        if error is not None:
            raise error
        return paint(*arguments)

    monkeypatch.setattr(completer, "_paint", sometimes)
    first, second = completer.complete([PART, PART], [5, 5], Silent())
    assert isinstance(first, StageFailed)
    assert "out of memory" in first.reason
    assert isinstance(second, Completion)


def test_the_revision_follows_the_weights(tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    assert adapter(copy).revision == adapter(tiny).revision
    other = write_tiny_inpainting(tmp_path / "other", seed=1)
    assert adapter(other).revision != adapter(tiny).revision


def test_hub_weights_are_found_at_their_commit(tiny: Path, tmp_path: Path) -> None:
    hub_id = CompleteSettings().weights
    for file in sorted(tiny.rglob("*")):
        if file.is_file():
            add_to_cache(tmp_path / "hub", hub_id, str(file.relative_to(tiny)), file.read_bytes())
    found = Inpaint(CompleteSettings(steps=2, revision=COMMIT), device="cpu")
    assert np.array_equal(painted(found), painted(adapter(tiny)))
    with pytest.raises(BackendMissing, match="0000"):
        Inpaint(CompleteSettings(revision="0" * 40), device="cpu")


def test_half_precision_files_are_read_where_only_they_are_there(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "half"))
    for file in list(folder.rglob("*.safetensors")):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert np.array_equal(painted(adapter(folder)), painted(adapter(tiny)))


def test_pickles_are_never_opened(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "pickled"))
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match="pickles only"):
        adapter(folder)


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model_index\.json"):
        adapter(tmp_path)


def test_a_pipeline_that_does_not_load_is_said_in_a_sentence(tiny: Path, tmp_path: Path) -> None:
    assert PART is not None
    folder = Path(shutil.copytree(tiny, tmp_path / "broken"))
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match="does not load"):
        adapter(folder).complete([PART], [0], Silent())


def test_missing_weights_name_the_command() -> None:
    with pytest.raises(BackendMissing, match="models fetch sdxl-inpainting --revision COMMIT"):
        Inpaint(CompleteSettings(), device="cpu")


def test_a_missing_extra_names_the_install_line(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "diffusers" else real(name))
    with pytest.raises(BackendMissing, match=r"diffusers.*pip install 'pixal3d-scene\[complete\]'"):
        adapter(tiny)


def test_the_default_is_registered_and_may_be_used_commercially() -> None:
    default = published_as(CompleteSettings().weights)
    assert default is published("sdxl-inpainting")
    assert default.commercial == "yes"
    assert published("flux-fill").commercial == "no"
    assert CompleteSettings().completer == "none"


def test_a_pipeline_is_checked_file_by_file(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "copy"))
    assert {c.state for c in models.check(str(folder))} == {"ok"}
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"no tensors")
    wrong = {c.name: c.state for c in models.check(str(folder)) if c.state != "ok"}
    assert wrong == {"unet/diffusion_pytorch_model.safetensors": "wrong"}
