"""The flow models: against golden tensors, and each promise of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_cases import GoldenCase, golden_cases
from torch import Tensor, nn

from pixal3d_scene.conditioning.condition import Condition, join_conditions
from pixal3d_scene.errors import InputError, ShapeError
from pixal3d_scene.generator.flow import FLOW_CLASSES, DenseFlow, SparseFlow
from pixal3d_scene.generator.flow.transformer import image_attn_mode_of

TINY: dict[str, Any] = {
    "resolution": 3,
    "in_channels": 5,
    "out_channels": 4,
    "model_channels": 24,
    "cond_channels": 10,
    "num_blocks": 2,
    "num_heads": 3,
    "mlp_ratio": 2.5,
    "share_mod": True,
    "qk_rms_norm": True,
    "qk_rms_norm_cross": True,
    "image_attn_mode": "proj",
    "proj_in_channels": 7,
}


def randomised(flow: Any) -> Any:
    """Weights without zeros, so that every path counts."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return flow.eval()


def sparse_example(lengths: tuple[int, ...] = (6, 4)) -> tuple[Tensor, Tensor, Tensor, Condition]:
    """x, t, coords, condition for TINY."""
    torch.manual_seed(1)
    items, rows = len(lengths), sum(lengths)
    batch = torch.repeat_interleave(torch.arange(items), torch.tensor(lengths))
    coords = torch.cat([batch[:, None], torch.randint(0, 90, (rows, 3))], dim=1).int()
    condition = Condition(global_tokens=torch.randn(items, 5, 10), proj=torch.randn(rows, 7))
    return torch.randn(rows, 5), torch.rand(items) * 1000, coords, condition


# Golden tensors


def condition_of(case: GoldenCase) -> Condition:
    proj = case.inputs.get("cond_proj")
    return Condition(
        global_tokens=case.inputs["cond_global"] if "cond_global" in case.inputs else case.inputs["cond"],
        proj=None if proj is None else proj.reshape(-1, proj.shape[-1]),
    )


def velocity_of(case: GoldenCase, flow: nn.Module, condition: Condition) -> Tensor:
    x, t = case.inputs["x"], case.inputs["t"]
    if isinstance(flow, DenseFlow):
        return flow(x, t, flow.prepare(condition))
    assert isinstance(flow, SparseFlow)
    return flow(x, t, flow.prepare(condition, case.inputs["coords"]), case.inputs.get("concat_cond"))


def traced(flow: nn.Module, paths: list[str]) -> dict[str, Tensor]:
    """Outputs of the named submodules, filled in by the next forward pass."""
    outputs: dict[str, Tensor] = {}

    def remember(path: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, output: outputs.update({path: output})

    for path in paths:
        flow.get_submodule(path).register_forward_hook(remember(path))
    return outputs


@pytest.mark.golden
@pytest.mark.parametrize("name", ["ss_flow", "slat_flow"])
@torch.no_grad()
def test_golden(golden_dir: Path, name: str) -> None:
    for case in golden_cases(golden_dir, name):
        flow = FLOW_CLASSES[case.about["class_name"].split()[0]](**case.config)
        flow.load_state_dict(case.weights, strict=True)
        traces = traced(flow, [key.removeprefix("trace_") for key in case.outputs if key.startswith("trace_")])
        condition = condition_of(case)
        case.check("v_cond", velocity_of(case, flow, condition))
        assert traces or not any(key.startswith("trace_") for key in case.outputs)
        for path, got in traces.items():
            case.check(f"trace_{path}", got.reshape(case.outputs[f"trace_{path}"].shape))
        if "t_embedding" in case.outputs:
            case.check("t_embedding", flow.t_embedder(case.inputs["t"]))
        case.check("v_uncond", velocity_of(case, flow, condition.dropped()))
        if "v_cond_bf16_torso" in case.outputs:
            flow.convert_torso(torch.bfloat16)
            case.check("v_cond_bf16_torso", velocity_of(case, flow, condition))


# Size and names

OFFICIAL = {
    "model_channels": 1536,
    "cond_channels": 1024,
    "num_blocks": 30,
    "num_heads": 12,
    "mlp_ratio": 5.3334,
    "pe_mode": "rope",
    "share_mod": True,
    "initialization": "scaled",
    "qk_rms_norm": True,
    "qk_rms_norm_cross": True,
    "image_attn_mode": "proj",
    "dtype": "bfloat16",
}


@pytest.mark.parametrize(
    ("flow_class", "own", "millions"),
    [
        ("SparseStructureFlowModel", {"resolution": 16, "in_channels": 8, "out_channels": 8}, 1339.41),
        ("ElasticSLatFlowModel", {"resolution": 64, "in_channels": 32, "out_channels": 32}, 1386.67),
        ("SLatFlowModel", {"resolution": 64, "in_channels": 64, "out_channels": 32}, 1386.72),
    ],
)
def test_official_size(flow_class: str, own: dict[str, int], millions: float) -> None:
    wide = {} if flow_class.startswith("SparseS") else {"proj_in_channels": 2048}
    with torch.device("meta"):
        flow = FLOW_CLASSES[flow_class](**OFFICIAL, **own, **wide)
    assert sum(p.numel() for p in flow.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert len(flow.state_dict()) == 700
    halved = {name for name, p in flow.named_parameters() if p.dtype == torch.bfloat16}
    assert halved == {
        name
        for name, _ in flow.named_parameters()
        if name.startswith("blocks.") and not name.endswith(("gamma", "modulation")) and "norm2" not in name
    }


def test_names_of_the_parameters() -> None:
    def names(**changes: Any) -> set[str]:
        return set(SparseFlow(**{**TINY, "num_blocks": 1, **changes}).state_dict())

    shared, own = names(), names(share_mod=False)
    assert shared - own == {"adaLN_modulation.1.weight", "adaLN_modulation.1.bias", "blocks.0.modulation"}
    assert own - shared == {"blocks.0.adaLN_modulation.1.weight", "blocks.0.adaLN_modulation.1.bias"}
    cross = {key for key in names(image_attn_mode="cross") if "cross_attn" in key}
    nested = {key.replace("cross_attn_block.", "") for key in shared if "cross_attn_block" in key}
    assert cross == nested
    assert not {key for key in names(qk_rms_norm=False, qk_rms_norm_cross=False) if "rms" in key}


def test_loading_is_strict_but_for_rope_phases() -> None:
    flow = DenseFlow(**TINY)
    weights = flow.state_dict()
    flow.load_state_dict({**weights, "rope_phases": torch.ones(27, 4, dtype=torch.complex64)}, strict=True)
    flow.load_state_dict(weights, strict=True)
    with pytest.raises(RuntimeError, match="Unexpected"):
        flow.load_state_dict({**weights, "more": torch.ones(1)}, strict=True)
    weights.pop("out_layer.bias")
    with pytest.raises(RuntimeError, match="Missing"):
        flow.load_state_dict(weights, strict=True)


def test_config_keys_without_effect_are_swallowed_and_unknown_modes_refused() -> None:
    SparseFlow(**TINY, use_checkpoint=True, initialization="scaled")
    for wrong in ({"pe_mode": "ape"}, {"image_attn_mode": "gated_proj"}, {"dtype": "int8"}):
        with pytest.raises(InputError, match="not supported"):
            SparseFlow(**{**TINY, **wrong})


def test_heads_follow_from_their_width() -> None:
    flow = SparseFlow(**{**TINY, "num_heads": None, "num_head_channels": 8})
    assert flow.head_dim == 8


def test_mode_is_read_from_the_weights() -> None:
    assert image_attn_mode_of(SparseFlow(**TINY).state_dict()) == "proj"
    assert image_attn_mode_of(SparseFlow(**{**TINY, "image_attn_mode": "cross"}).state_dict()) == "cross"


# Behaviour

VARIANTS = [
    {},
    {"share_mod": False},
    {"image_attn_mode": "cross"},
    {"qk_rms_norm": False, "qk_rms_norm_cross": False},
    {"num_heads": 1},
    {"dtype": "bfloat16"},
]


@pytest.mark.parametrize("changes", VARIANTS)
@torch.no_grad()
def test_kept_terms_change_no_byte(changes: dict[str, Any]) -> None:
    flow = randomised(SparseFlow(**{**TINY, **changes}))
    x, t, coords, condition = sparse_example()
    kept = flow(x, t, flow.prepare(condition, coords, keep=True))
    assert torch.equal(kept, flow(x, t, flow.prepare(condition, coords, keep=False)))
    assert torch.equal(kept, flow(x, t, flow.prepare(condition, coords)))
    assert kept.abs().sum() > 0


@pytest.mark.parametrize("changes", VARIANTS)
@torch.no_grad()
def test_items_of_a_batch_do_not_see_each_other(changes: dict[str, Any]) -> None:
    flow = randomised(SparseFlow(**{**TINY, **changes}))
    x, t, coords, condition = sparse_example((6, 4, 4))
    together = flow(x, t, flow.prepare(condition, coords))
    assert condition.proj is not None
    start = 0
    for item, length in enumerate((6, 4, 4)):
        rows = slice(start, start + length)
        alone = Condition(global_tokens=condition.global_tokens[item : item + 1], proj=condition.proj[rows])
        cells = coords[rows] * torch.tensor([0, 1, 1, 1], dtype=torch.int32)
        got = flow(x[rows], t[item : item + 1], flow.prepare(alone, cells))
        loose = changes.get("dtype") == "bfloat16"
        torch.testing.assert_close(together[rows], got, atol=0.05 if loose else 1e-5, rtol=0.05 if loose else 1e-5)
        start += length


@torch.no_grad()
def test_dense_and_sparse_are_one_network() -> None:
    dense, sparse = randomised(DenseFlow(**TINY)), randomised(SparseFlow(**TINY))
    x, t = torch.randn(2, 5, 3, 3, 3), torch.tensor([300.0, 700.0])
    condition = Condition(global_tokens=torch.randn(2, 5, 10), proj=torch.randn(54, 7))
    coords = torch.cartesian_prod(torch.arange(2), *[torch.arange(3)] * 3).int()
    rows = torch.stack([x[b, :, i, j, k] for b, i, j, k in coords.tolist()])
    expected = sparse(rows, t, sparse.prepare(condition, coords))
    got = dense(x, t, dense.prepare(condition))
    got_rows = torch.stack([got[b, :, i, j, k] for b, i, j, k in coords.tolist()])
    torch.testing.assert_close(got_rows, expected)


@torch.no_grad()
def test_order_of_cells_does_not_matter_but_their_axes_do() -> None:
    flow = randomised(SparseFlow(**TINY))
    x, t, coords, condition = sparse_example((8,))
    assert condition.proj is not None
    expected = flow(x, t, flow.prepare(condition, coords))
    order = torch.randperm(8)
    shuffled = Condition(global_tokens=condition.global_tokens, proj=condition.proj[order])
    torch.testing.assert_close(flow(x[order], t, flow.prepare(shuffled, coords[order])), expected[order])
    swapped = flow(x, t, flow.prepare(condition, coords[:, [0, 2, 1, 3]]))
    assert (swapped - expected).abs().max() > 1e-3


@torch.no_grad()
def test_dropped_condition_is_zeros_to_the_byte() -> None:
    flow = randomised(SparseFlow(**TINY))
    x, t, coords, condition = sparse_example()
    assert condition.proj is not None
    zeros = Condition(global_tokens=condition.global_tokens * 0, proj=condition.proj * 0)
    got = flow(x, t, flow.prepare(condition.dropped(), coords))
    assert torch.equal(got, flow(x, t, flow.prepare(zeros, coords)))


@torch.no_grad()
def test_concatenated_condition_follows_the_noise() -> None:
    flow = randomised(SparseFlow(**TINY))
    x, t, coords, condition = sparse_example()
    prepared = flow.prepare(condition, coords)
    assert torch.equal(flow(x[:, :3], t, prepared, x[:, 3:]), flow(x, t, prepared))
    field = flow.field(prepared, x[:, 3:])
    assert torch.equal(field(x[:, :3], 0.6), flow(x, torch.full((2,), 600.0), prepared))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_is_near_and_keeps_the_outer_dtype(dtype: torch.dtype) -> None:
    flow = randomised(SparseFlow(**TINY))
    x, t, coords, condition = sparse_example()
    exact = flow(x, t, flow.prepare(condition, coords))
    flow.convert_torso(dtype)
    near = flow(x, t, flow.prepare(condition, coords))
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < 0.03 * exact.abs().max()


@torch.no_grad()
def test_an_empty_item_is_no_trouble() -> None:
    flow = randomised(SparseFlow(**TINY))
    x, t, coords, condition = sparse_example((5, 0, 3))
    assert flow(x, t, flow.prepare(condition, coords)).shape == (8, 4)


def test_mixed_rows_are_refused() -> None:
    flow = SparseFlow(**TINY)
    _, _, coords, condition = sparse_example()
    with pytest.raises(ShapeError, match="sorted"):
        flow.prepare(condition, coords.flip(0))
    with pytest.raises(ShapeError, match="below 1"):
        flow.prepare(Condition(global_tokens=condition.global_tokens[:1], proj=condition.proj), coords)


def test_fresh_network_starts_without_effect_and_learns() -> None:
    flow = SparseFlow(**TINY)
    x, t, coords, condition = sparse_example()
    v = flow(x, t, flow.prepare(condition, coords))
    assert torch.equal(v, torch.zeros_like(v))
    (v - 1).square().mean().backward()
    assert flow.out_layer.weight.grad is not None
    assert flow.out_layer.weight.grad.abs().sum() > 0


def test_joining_keeps_the_order() -> None:
    _, _, _, a = sparse_example((2,))
    _, _, _, b = sparse_example((3,))
    joined = join_conditions([a, b])
    assert joined.global_tokens.shape == (2, 5, 10)
    assert joined.proj is not None
    assert b.proj is not None
    assert torch.equal(joined.proj[2:], b.proj)
    with pytest.raises(ValueError, match="some have none"):
        join_conditions([a, b.dropped()])
