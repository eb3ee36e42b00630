"""A scene through the cascade: what is read how often, what depends on what, and what a failure costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pixal3d_scene.conditioning.conditioner import StageView
from pixal3d_scene.conditioning.view import front_view
from pixal3d_scene.errors import InputError, StageFailed
from pixal3d_scene.generator import cascade
from pixal3d_scene.generator.checkpoint import load_image_encoder, load_network, load_upsampler
from pixal3d_scene.generator.pipeline_file import (
    PipelineFile,
    find_image_encoder,
    find_upsampler,
    read_pipeline,
)
from pixal3d_scene.generator.sampler import FlowSampler, NoiseSource
from pixal3d_scene.generator.scene_objects import GeneratedObject, ObjectInput, ObjectState
from pixal3d_scene.generator.schedule import (
    COARSE_PLAN,
    FINE_PLAN,
    IMAGE_ENCODER,
    CascadeSettings,
    SceneSchedule,
)

SAMPLER = FlowSampler(steps=1)


@pytest.fixture(scope="module")
def pipeline(tiny_folder: Path) -> PipelineFile:
    return read_pipeline(tiny_folder)


READ: dict[str, nn.Module] = {}


class Loader:
    """Reads from the tiny pipeline and counts; what was read once is given again, to save the tests' time."""

    def __init__(self, folder: Path, pipeline: PipelineFile) -> None:
        self.folder, self.pipeline = folder, pipeline
        self.loads: Counter[str] = Counter()

    def __call__(self, role: str) -> nn.Module:
        self.loads[role] += 1
        if role not in READ and role == IMAGE_ENCODER:
            READ[role] = load_image_encoder(find_image_encoder(self.folder, None))
        if role not in READ:
            READ[role] = load_network(self.pipeline.checkpoints[role], torso=torch.float32, cache=False)
        return READ[role]


@pytest.fixture
def load(tiny_folder: Path, pipeline: PipelineFile) -> Loader:
    return Loader(tiny_folder, pipeline)


@pytest.fixture
def settings(pipeline: PipelineFile) -> CascadeSettings:
    assert pipeline.stage_views is not None
    views = {stage: StageView(size_px=size, naf_side_px=naf) for stage, (size, naf) in pipeline.stage_views.items()}
    return CascadeSettings(
        samplers={"structure": SAMPLER, "shape": SAMPLER, "texture": SAMPLER},
        views=views,
        shape_normalisation=pipeline.shape_normalisation,
        texture_normalisation=pipeline.texture_normalisation,
        resolution=1024,
        max_num_tokens=49_152,
        batch=1,
        low_vram=False,
        device=torch.device("cpu"),
    )


def thing(number: int) -> ObjectInput:
    square = np.random.default_rng(number).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    return ObjectInput(name=f"thing_{number:02d}", squares=(square,), views=(front_view(0.5),), seed=100 + number)


def run(settings: CascadeSettings, load: Loader, *numbers: int) -> list[GeneratedObject | StageFailed]:
    naf = load_upsampler(find_upsampler(load.folder, None))
    return SceneSchedule(settings, load, naf).run([thing(n) for n in numbers])


def same(a: GeneratedObject | StageFailed, b: GeneratedObject | StageFailed) -> bool:
    """To the byte."""
    assert isinstance(a, GeneratedObject)
    assert isinstance(b, GeneratedObject)
    return all(
        np.array_equal(x, y)
        for x, y in (
            (a.grid.coords, b.grid.coords),
            (a.grid.offset_vox, b.grid.offset_vox),
            (a.grid.edge_flags, b.grid.edge_flags),
            (a.pbr.attributes, b.pbr.attributes),
        )
    )


@pytest.fixture
def starving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a stage of the cascade run out of memory whenever `when(*its arguments)` holds."""

    def starve(stage: str, when: Callable[..., bool]) -> None:
        work = getattr(cascade, stage)

        def limited(*args: Any, **kwargs: Any) -> Any:
            if when(*args, **kwargs):
                raise torch.OutOfMemoryError("CUDA out of memory (not really)")
            return work(*args, **kwargs)

        monkeypatch.setattr(cascade, stage, limited)

    return starve


@pytest.mark.parametrize("low_vram", [False, True])
def test_every_network_is_read_once_per_scene(settings: CascadeSettings, load: Loader, low_vram: bool) -> None:
    results = run(replace(settings, low_vram=low_vram), load, 1, 2)
    assert all(isinstance(r, GeneratedObject) for r in results)
    assert load.loads == dict.fromkeys({*COARSE_PLAN, *FINE_PLAN}, 1)


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_else_is_in_the_scene(settings: CascadeSettings, load: Loader) -> None:
    one, two = run(settings, load, 1, 2)
    [alone] = run(settings, load, 2)
    again, _ = run(settings, load, 2, 1)
    assert same(two, alone)
    assert same(two, again)
    assert not same(one, two)
    [frugal] = run(replace(settings, low_vram=True), load, 2)
    assert same(two, frugal)


@pytest.mark.slow
def test_a_batch_changes_rounding_at_most(settings: CascadeSettings, load: Loader) -> None:
    alone, together = run(settings, load, 1, 2), run(replace(settings, batch=2), load, 1, 2)
    for a, b in zip(alone, together, strict=True):
        assert isinstance(a, GeneratedObject)
        assert isinstance(b, GeneratedObject)
        assert np.array_equal(a.grid.coords, b.grid.coords)
        np.testing.assert_allclose(a.pbr.attributes, b.pbr.attributes, atol=1e-3)


def test_noise_is_drawn_in_the_upstream_order() -> None:
    state = ObjectState(input=thing(3))
    source = NoiseSource(state.input.seed)
    expected = [source.draw(*shape) for shape in ((1, 4, 8, 8, 8), (9, 8), (30, 8), (30, 8))]
    shapes: tuple[tuple[int, ...], ...] = ()
    for noise in expected:
        shapes = (*shapes, tuple(noise.shape))
        assert torch.equal(state.draw_noise(*shapes), noise)
    upstream = torch.Generator().manual_seed(state.input.seed)
    assert torch.equal(torch.randn(1, 4, 8, 8, 8, generator=upstream), expected[0])


@pytest.mark.slow
def test_an_object_that_fails_is_left_out_and_the_others_are_untouched(
    settings: CascadeSettings, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(settings, load, 1, 3)
    seen: list[int] = []
    occupied = cascade.occupied_cells

    def nothing_for_the_second(decoder: Any, latent: Tensor) -> Tensor:
        seen.append(len(seen))
        return occupied(decoder, latent)[:0] if len(seen) == 2 else occupied(decoder, latent)

    monkeypatch.setattr(cascade, "occupied_cells", nothing_for_the_second)
    one, failed, three = run(settings, load, 1, 2, 3)
    assert isinstance(failed, StageFailed)
    assert failed.object_name == "thing_02"
    assert "leaves no cell occupied" in failed.reason
    assert same(one, before[0])
    assert same(three, before[1])


def test_unexpected_errors_are_the_objects_own(
    settings: CascadeSettings, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Tensor:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(cascade, "surface_voxels", broken)
    [failed] = run(settings, load, 1)
    assert isinstance(failed, StageFailed)
    assert failed.reason == "coarse shape: ZeroDivisionError: of all things"
    assert isinstance(failed.__cause__, ZeroDivisionError)


def test_numbers_that_are_not_finite_are_a_failure(
    settings: CascadeSettings, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cascade, "sample_structure", lambda *_, **__: torch.full((1, 4, 8, 8, 8), float("nan")))
    [failed] = run(settings, load, 1)
    assert isinstance(failed, StageFailed)
    assert "not finite" in failed.reason


def test_weights_that_do_not_fit_end_the_scene(settings: CascadeSettings, load: Loader) -> None:
    wrong = {"sparse_structure_decoder": "shape_slat_decoder"}
    naf = load_upsampler(find_upsampler(load.folder, None))
    schedule = SceneSchedule(settings, lambda role: load(wrong.get(role, role)), naf)
    with pytest.raises(InputError, match="sparse_structure_decoder is a ShapeDecoder, not a StructureDecoder"):
        schedule.run([thing(1)])


@pytest.mark.slow
def test_no_memory_for_a_batch_halves_it_and_says_so(
    settings: CascadeSettings, load: Loader, starving: Callable[..., None]
) -> None:
    sizes: list[int] = []

    def more_than_one(_flow: Any, _sampler: Any, _condition: Any, cells: Sequence[Tensor], *_: Any, **__: Any) -> bool:
        sizes.append(len(cells))
        return len(cells) > 1

    starving("sample_latents", more_than_one)
    results = run(replace(settings, batch=4), load, 1, 2, 3, 4)
    assert sizes[:6] == [4, 2, 1, 1, 1, 1]
    assert max(sizes[2:]) == 1  # the later stages start with what fitted
    for result in results:
        assert isinstance(result, GeneratedObject)
        assert result.resolution == 1024
        assert any(note.startswith("Memory ran out in the coarse shape stage") for note in result.notes[:1]) or (
            result.notes == ()
        )
    assert "1 objects at a time" in str(results[0].notes)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sample_latents", "decode"])
def test_no_memory_for_one_lowers_its_resolution_and_says_so(
    settings: CascadeSettings, load: Loader, starving: Callable[..., None], stage: str
) -> None:
    settings = replace(settings, resolution=1536)

    def too_fine(*args: Any, **kwargs: Any) -> bool:
        cells = args[3][0] if stage == "sample_latents" else args[2]
        return int(cells.max()) > 63

    starving(stage, too_fine)
    results = run(settings, load, 1, 2)
    direct = run(replace(settings, resolution=1024), Loader(load.folder, load.pipeline), 1, 2)
    for result, expected in zip(results, direct, strict=True):
        assert isinstance(result, GeneratedObject)
        assert result.resolution == 1024
        assert result.notes == ("Generated at a resolution of 1024: at 1536 the memory of the cpu ran out.",)
        assert same(result, expected)  # as if it had been asked for at once: the noise is the same
    # Only what the second try needs is read again.
    assert load.loads == dict.fromkeys(COARSE_PLAN, 1) | dict.fromkeys(FINE_PLAN, 2)


def test_below_the_trained_resolution_and_then_no_further(
    settings: CascadeSettings, load: Loader, starving: Callable[..., None]
) -> None:
    starving("decode", lambda *_, resolution, **__: resolution > 512)
    [coarse] = run(settings, load, 1)
    assert isinstance(coarse, GeneratedObject)
    assert coarse.resolution == coarse.grid.resolution == 512
    assert "which the networks were not trained for" in coarse.notes[-1]
    starving("decode", lambda *_, **__: True)
    [failed] = run(settings, load, 1)
    assert isinstance(failed, StageFailed)
    assert failed.reason == "the memory of the cpu ran out at a resolution of 512, for it alone"


def test_no_memory_before_the_fine_stages_is_a_failure(
    settings: CascadeSettings, load: Loader, starving: Callable[..., None]
) -> None:
    starving("sample_structure", lambda *_, **__: True)
    [failed] = run(settings, load, 1)
    assert isinstance(failed, StageFailed)
    assert failed.reason == "the memory of the cpu ran out in the structure stage, for it alone"


@pytest.mark.slow
def test_the_token_cap_lowers_the_resolution_and_says_so(settings: CascadeSettings, load: Loader) -> None:
    [free] = run(replace(settings, resolution=1536), load, 1)
    assert isinstance(free, GeneratedObject)
    assert free.resolution == 1536
    assert free.notes == ()
    [capped] = run(replace(settings, resolution=1536, max_num_tokens=2), load, 1)
    assert isinstance(capped, GeneratedObject)
    assert capped.resolution == 1024
    assert capped.notes == ("Generated at a resolution of 1024: at 1536 it takes 2 tokens or more.",)


def test_no_network_is_read_for_nobody(
    settings: CascadeSettings, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(settings, load) == []
    assert load.loads == {}
    monkeypatch.setattr(cascade, "occupied_cells", lambda *_: torch.zeros(0, 3, dtype=torch.int32))
    assert all(isinstance(result, StageFailed) for result in run(settings, load, 1, 2))
    assert load.loads == dict.fromkeys(COARSE_PLAN[:3], 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_same_shape_twice(settings: CascadeSettings, load: Loader) -> None:
    READ.clear()  # networks that others left on the CPU would be moved
    settings = replace(settings, device=torch.device("cuda"), batch=2)
    first, second = run(settings, load, 1, 2), run(settings, load, 1, 2)
    READ.clear()
    for a, b in zip(first, second, strict=True):
        assert isinstance(a, GeneratedObject)
        assert isinstance(b, GeneratedObject)
        assert np.array_equal(a.grid.coords, b.grid.coords)
        np.testing.assert_allclose(a.pbr.attributes, b.pbr.attributes, atol=1e-2)
