"""The flow network once more, slowly: loops over tokens and heads in double precision, straight from the formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pixal3d_scene.conditioning.condition import Condition
from pixal3d_scene.generator.flow import SparseFlow


class SlowFlow:
    """One object, a plain dictionary of weights."""

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self.config, self.weights = config, {name: w.double() for name, w in weights.items()}
        self.heads = config["num_heads"]
        self.head_dim = config["model_channels"] // self.heads

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, x: Tensor, eps: float) -> Tensor:
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + eps).sqrt()

    def rms(self, name: str, x: Tensor, head: int) -> Tensor:
        gamma = self.weights.get(f"{name}.gamma")
        return x if gamma is None else x / x.norm(dim=-1, keepdim=True) * math.sqrt(self.head_dim) * gamma[head]

    def rope(self, x: Tensor, coords: Tensor) -> Tensor:
        out = x.clone()
        per_axis = self.head_dim // 2 // 3
        for token, xyz in enumerate(coords.tolist()):
            for axis in range(3):
                for j in range(per_axis):
                    first = 2 * (axis * per_axis + j)
                    angle = xyz[axis] / 10000 ** (j / per_axis)
                    a, b = x[token, first], x[token, first + 1]
                    out[token, first] = a * math.cos(angle) - b * math.sin(angle)
                    out[token, first + 1] = a * math.sin(angle) + b * math.cos(angle)
        return out

    def attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q @ k.T / math.sqrt(self.head_dim)).softmax(-1) @ v

    def self_attention(self, name: str, h: Tensor, coords: Tensor) -> Tensor:
        width, d, out = h.shape[1], self.head_dim, []
        qkv = self.linear(f"{name}.to_qkv", h)
        for head in range(self.heads):
            q, k, v = (qkv[:, part * width + head * d : part * width + (head + 1) * d] for part in range(3))
            q = self.rope(self.rms(f"{name}.q_rms_norm", q, head), coords)
            k = self.rope(self.rms(f"{name}.k_rms_norm", k, head), coords)
            out.append(self.attention(q, k, v))
        return self.linear(f"{name}.to_out", torch.cat(out, dim=1))

    def cross_attention(self, name: str, h: Tensor, image: Tensor) -> Tensor:
        width, d, out = h.shape[1], self.head_dim, []
        q_all, kv = self.linear(f"{name}.to_q", h), self.linear(f"{name}.to_kv", image)
        for head in range(self.heads):
            q = self.rms(f"{name}.q_rms_norm", q_all[:, head * d : (head + 1) * d], head)
            k = self.rms(f"{name}.k_rms_norm", kv[:, head * d : (head + 1) * d], head)
            out.append(self.attention(q, k, kv[:, width + head * d : width + (head + 1) * d]))
        return self.linear(f"{name}.to_out", torch.cat(out, dim=1))

    def image_attention(self, name: str, h: Tensor, image: Tensor, proj: Tensor) -> Tensor:
        if self.config["image_attn_mode"] == "cross":
            return self.cross_attention(name, h, image)
        return self.cross_attention(f"{name}.cross_attn_block", h, image) + self.linear(f"{name}.proj_linear", proj)

    def modulation(self, name: str, embedding: Tensor) -> tuple[Tensor, ...]:
        activated = embedding / (1 + (-embedding).exp())
        if self.config["share_mod"]:
            m = self.linear("adaLN_modulation.1", activated) + self.weights[f"{name}.modulation"]
        else:
            m = self.linear(f"{name}.adaLN_modulation.1", activated)
        return m.chunk(6)

    def __call__(self, x: Tensor, t: float, coords: Tensor, image: Tensor, proj: Tensor) -> Tensor:
        frequencies = torch.tensor([10000 ** (-i / 128) for i in range(128)], dtype=torch.float64)
        embedding = torch.cat([(t * frequencies).cos(), (t * frequencies).sin()])
        embedding = self.linear("t_embedder.mlp.0", embedding)
        embedding = self.linear("t_embedder.mlp.2", embedding / (1 + (-embedding).exp()))
        h = self.linear("input_layer", x)
        for i in range(self.config["num_blocks"]):
            name = f"blocks.{i}"
            shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(name, embedding)
            inner = self.norm(h, 1e-6) * (1 + scale_a) + shift_a
            h = h + gate_a * self.self_attention(f"{name}.self_attn", inner, coords)
            inner = self.norm(h, 1e-6) * self.weights[f"{name}.norm2.weight"] + self.weights[f"{name}.norm2.bias"]
            h = h + self.image_attention(f"{name}.cross_attn", inner, image, proj)
            inner = self.linear(f"{name}.mlp.mlp.0", self.norm(h, 1e-6) * (1 + scale_m) + shift_m)
            inner = inner / 2 * (1 + (math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)).tanh())
            h = h + gate_m * self.linear(f"{name}.mlp.mlp.2", inner)
        return self.linear("out_layer", self.norm(h, 1e-5))


@pytest.mark.parametrize("share_mod", [True, False])
@pytest.mark.parametrize("mode", ["proj", "cross"])
@pytest.mark.parametrize(("heads", "rms"), [(3, True), (1, False), (2, True)])
@torch.no_grad()
def test_fast_network_is_the_slow_one(share_mod: bool, mode: str, heads: int, rms: bool) -> None:
    torch.manual_seed(0)
    config = {
        "resolution": 4,
        "in_channels": 5,
        "out_channels": 3,
        "model_channels": 48,
        "cond_channels": 7,
        "proj_in_channels": 9,
        "num_blocks": 2,
        "num_heads": heads,
        "mlp_ratio": 5.3334,
        "share_mod": share_mod,
        "qk_rms_norm": rms,
        "qk_rms_norm_cross": rms,
        "image_attn_mode": mode,
    }
    flow = SparseFlow(**config).eval()
    for parameter in flow.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.3)
    x, coords = torch.randn(11, 5), torch.randint(0, 64, (11, 3)).int()
    image, proj = torch.randn(6, 7), torch.randn(11, 9)
    expected = SlowFlow(config, flow.state_dict())(x.double(), 612.5, coords, image.double(), proj.double())
    condition = Condition(global_tokens=image[None], proj=proj)
    rows = torch.cat([torch.zeros(11, 1, dtype=torch.int32), coords], dim=1)
    got = flow(x, torch.tensor([612.5]), flow.prepare(condition, rows))
    torch.testing.assert_close(got.double(), expected, atol=3e-4 * float(expected.abs().max()), rtol=0)
