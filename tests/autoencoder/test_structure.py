from __future__ import annotations

from pathlib import Path

import pytest
import torch
from autoencoder_cases import traced
from golden_cases import golden_cases

from pixal3d_scene.autoencoder.structure import (
    ChannelLayerNorm32,
    StructureDecoder,
    StructureEncoder,
    occupied_coords,
    pixel_shuffle_3d,
)
from pixal3d_scene.errors import InputError

OFFICIAL = {
    "out_channels": 1,
    "latent_channels": 8,
    "channels": [512, 128, 32],
    "num_res_blocks": 2,
    "num_res_blocks_middle": 2,
    "norm_type": "layer",
    "use_fp16": True,
}
SMALL = OFFICIAL | {"channels": [16, 8, 8], "num_res_blocks": 1, "use_fp16": False}


@pytest.mark.golden
def test_golden_decoder(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "ss_decoder"):
        decoder = StructureDecoder(**case.config)
        decoder.load_state_dict(case.weights)
        seen = traced(decoder, case)
        with torch.no_grad():
            logits = decoder(case.inputs["z"])
        for name, output in seen.items():
            case.check(name, output)
        case.check("logits", logits)
        assert torch.equal((logits > 0).to(torch.uint8), case.outputs["occupancy"])
        assert torch.equal(occupied_coords(logits, pool=2), case.outputs["active_coords_after_pool2"])


def test_official_size() -> None:
    with torch.device("meta"):
        decoder = StructureDecoder(**OFFICIAL)
    parameters = dict(decoder.named_parameters())
    assert sum(p.numel() for p in parameters.values()) / 1e6 == pytest.approx(73.67, abs=0.005)
    assert sum(p.numel() * p.element_size() for p in parameters.values()) / 1e6 == pytest.approx(147.6, abs=0.05)
    half = {name for name, p in parameters.items() if p.dtype == torch.float16}
    assert {name.split(".")[0] for name in half} == {"middle_block", "blocks"}
    assert not any("norm" in name for name in half)


def test_first_axis_has_the_most_significant_bit() -> None:
    # The only non-zero channel, 8 c + 4 ix + 2 iy + iz, is written at offset (ix, iy, iz) of its cell.
    for ix, iy, iz in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        x = torch.zeros(1, 16, 2, 3, 4)
        x[0, 8 + 4 * ix + 2 * iy + iz, 1, 2, 3] = 1
        (place,) = pixel_shuffle_3d(x).nonzero().tolist()
        assert place == [0, 1, 2 + ix, 4 + iy, 6 + iz]


def test_channel_norm_works_across_channels_alone() -> None:
    x = torch.randn(2, 5, 2, 3, 4, generator=torch.Generator().manual_seed(0)) * 7 + 3
    y = ChannelLayerNorm32(5, eps=1e-5)(x)
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=0)


def test_half_precision_torso_stays_near_the_full_one() -> None:
    torch.manual_seed(0)
    decoder, latent = StructureDecoder(**SMALL), torch.randn(2, 8, 3, 3, 3)
    with torch.no_grad():
        exact = decoder(latent)
        decoder.set_torso_dtype(torch.bfloat16)
        assert decoder.input_layer.weight.dtype == decoder.blocks[0].norm1.weight.dtype == torch.float32
        rough = decoder(latent)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.1


def test_encoder_mirrors_the_decoder() -> None:
    encoder = StructureEncoder(
        in_channels=1, latent_channels=8, channels=[8, 8, 16], num_res_blocks=1, num_res_blocks_middle=1
    )
    mean, logvar = encoder(torch.zeros(2, 1, 12, 12, 12))
    assert mean.shape == logvar.shape == (2, 8, 3, 3, 3)
    assert StructureDecoder(**SMALL)(mean).shape == (2, 1, 12, 12, 12)


def test_occupied_cells_are_rows_in_lexicographic_order() -> None:
    logits = torch.full((2, 1, 4, 4, 4), -1.0)
    logits[1, 0, 0, 3, 1] = logits[0, 0, 3, 0, 2] = logits[0, 0, 0, 1, 3] = logits[0, 0, 1, 0, 2] = 0.5
    logits[0, 0, 2, 2, 2] = 0.0  # zero is not above the threshold
    assert occupied_coords(logits, pool=2).tolist() == [[0, 0, 0, 1], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert occupied_coords(logits).tolist() == [[0, 0, 1, 3], [0, 1, 0, 2], [0, 3, 0, 2], [1, 0, 3, 1]]


def test_unknown_norm_is_refused_and_unknown_keys_are_not() -> None:
    StructureDecoder(**SMALL, use_checkpoint=True)
    with pytest.raises(InputError, match="group"):
        StructureDecoder(**SMALL | {"norm_type": "group"})
