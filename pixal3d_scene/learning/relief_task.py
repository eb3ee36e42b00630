"""Training the network of reliefs (`frontend.relief_network`) on what `relief_samples` gathered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..frontend.relief_network import ReliefNetwork
from ..frontend.relief_picture import AWAY, SHAPE, front_end_told, mirrored_picture
from .relief_samples import MADE_BY, ReliefSamples
from .sample_files import SampleFiles

_LOOK_AGAIN_EVERY = 100  # steps
_UNTOLD = 0.15  # of the objects of a batch: without the front-end network's depth
_COVERED = 0.5  # of a pixel
_STEPS = (1, 4)  # pixels apart: slopes that must be right
_DISTANCE, _SLOPES = 0.5, 0.5  # weights beside the shape's


def relief_files(folder: Path, split: str) -> SampleFiles:
    """Raises InputError where there are none."""
    return SampleFiles(folder, split, read=ReliefSamples.read, counted="covered", made_by=MADE_BY)


class ReliefTask:
    """See `training.Task`."""

    def __init__(
        self, model: ReliefNetwork, train: SampleFiles, validation: SampleFiles, *, batch: int, seed: int
    ) -> None:
        self.model: nn.Module = model
        self._train, self._validation, self._batch, self._seed = train, validation, batch, seed

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        if step % _LOOK_AGAIN_EVERY == 0:
            self._train.look()
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        numbers = torch.randint(len(self._train), (self._batch,), generator=generator).tolist()
        picture, farther, covered = _rows(self._train, numbers)
        flipped = torch.rand(self._batch, generator=generator) < 0.5
        picture = torch.where(flipped[:, None, None, None], mirrored_picture(picture), picture)
        farther, covered = (torch.where(flipped[:, None, None], x.flip(-1), x) for x in (farther, covered))
        device = next(model.parameters()).device
        picture, farther, covered = (x.to(device) for x in (_harmed(picture, generator), farther, covered))
        error = model(picture).float() - farther
        known = (covered > _COVERED).float()
        middle = _mean(error, known)
        distance = middle.abs().mean()
        shape = _mean((error - middle[:, None, None]).abs(), known).mean()
        slopes = torch.stack([_slopes(error, known, apart) for apart in _STEPS]).mean()
        loss = shape + _DISTANCE * distance + _SLOPES * slopes
        return {"loss": loss, "shape": shape, "distance": distance, "slopes": slopes}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Mean errors of log depth, of the network, of the block alone, and of the front-end network: of shapes (beside
        an object's median) and of distances (of the median)."""
        model.eval()
        device, total = next(model.parameters()).device, len(self._validation)
        found: dict[str, list[float]] = {}
        for start in range(0, total, self._batch):
            picture, farther, covered = _rows(self._validation, list(range(start, min(start + self._batch, total))))
            guess = model(picture.to(device)).float().cpu()
            told = front_end_told(picture)
            for k, known in enumerate(covered > _COVERED):
                if not known.any():
                    continue
                for name, value in (("", guess[k]), ("_block", torch.zeros_like(guess[k])), ("_front_end", told[k])):
                    error = (value - farther[k])[known]
                    found.setdefault(f"shape{name}", []).append(float((error - error.median()).abs().mean()))
                    found.setdefault(f"distance{name}", []).append(float(error.median().abs()))
        return {name: sum(values) / len(values) for name, values in found.items()}


def _rows(files: SampleFiles, numbers: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (B, C, n, n), log(depth / block) and the covered share (B, n, n), float32."""
    picture, farther, covered = (
        torch.from_numpy(files.rows(k, numbers)).float() for k in ("picture", "farther", "covered")
    )
    return picture, farther, covered / 255


def _harmed(picture: Float[Tensor, "B C n n"], generator: torch.Generator) -> Float[Tensor, "B C n n"]:
    """Other colours, noise, masks a little too large or small; some without the front-end network's depth."""
    count, picture = len(picture), picture.clone()

    def drawn(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    gain, shift = 1 + 0.15 * drawn(3, 1, 1) + 0.2 * drawn(1, 1, 1), 0.08 * drawn(1, 1, 1)
    noise = 0.03 * torch.rand(count, 1, 1, 1, generator=generator) * drawn(3, *picture.shape[2:])
    picture[:, :3] = picture[:, :3] * gain + shift + noise
    level = 0.3 + 0.4 * torch.rand(count, 1, 1, generator=generator)
    mask = F.avg_pool2d(picture[:, 3:4], 3, stride=1, padding=1)[:, 0]
    uneven = torch.rand(count, 1, 1, generator=generator) < 0.5
    picture[:, 3] = torch.where(uneven, ((mask - level) * 4 + 0.5).clamp(0, 1), picture[:, 3])
    untold = (torch.rand(count, generator=generator) < _UNTOLD)[:, None, None, None]
    told = picture[:, [SHAPE, AWAY]]
    picture[:, [SHAPE, AWAY]] = torch.where(untold, torch.zeros_like(told), told)
    return picture


def _mean(values: Float[Tensor, "B h w"], weight: Float[Tensor, "B h w"]) -> Float[Tensor, "B"]:
    return (values * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp_min(1)


def _slopes(error: Float[Tensor, "B n n"], known: Float[Tensor, "B n n"], apart: int) -> Float[Tensor, ""]:
    down = _mean((error[:, apart:] - error[:, :-apart]).abs(), known[:, apart:] * known[:, :-apart])
    across = _mean((error[..., apart:] - error[..., :-apart]).abs(), known[..., apart:] * known[..., :-apart])
    return (down + across).mean() / 2
