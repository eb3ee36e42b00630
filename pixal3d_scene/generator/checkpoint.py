"""From a checkpoint on the disk to a network in memory, strictly: every tensor fits, and none is left over.

Only safetensors are opened; a pickle never is. A network is built without memory (torch's meta device) from its json,
compared with the file's table of contents, and only then filled. The one key that may be there or not is
`rope_phases`, which follows from the resolution.

A published flow is stored in float32 and runs in bfloat16: it is converted once and the smaller file is kept in the
package's cache under a key of its content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..autoencoder.official import AUTOENCODERS
from ..autoencoder.structure import StructureDecoder
from ..conditioning.image_features import ImageEncoder
from ..conditioning.naf import Naf
from ..conditioning.view_encoder import ViewEncoder
from ..errors import InputError
from ..weights.location import WeightsFolder, own_cache
from ..weights.transformers_folder import load_transformers
from .flow import FLOW_CLASSES
from .flow.transformer import FlowTransformer, image_attn_mode_of
from .pipeline_file import Checkpoint

_log = logging.getLogger(__name__)

NETWORKS: dict[str, type[nn.Module]] = {**FLOW_CLASSES, **AUTOENCODERS, "NAF": Naf, "ViewEncoder": ViewEncoder}
_TOLERATED = "rope_phases"
_STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_MOST_NAMES = 4  # in an error message


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """An entry of a safetensors file's table of contents; dtype as the format spells it."""

    shape: tuple[int, ...]
    dtype: str


def load_network(checkpoint: Checkpoint, *, torso: torch.dtype | None = None, cache: bool = True) -> nn.Module:
    """The network of a checkpoint on the CPU, ready to be evaluated.

    torso: type of the layers that may run in half precision; None for the one that the json names. cache: keep a
    smaller copy of a file that shrinks by it. Raises InputError naming what does not fit.
    """
    network = check_checkpoint(checkpoint, torso=torso)
    wanted = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    source = _converted(checkpoint, wanted, torso) if cache else checkpoint.weights
    with _opened(source) as file:
        tensors = {name: file.get_tensor(name).to(dtype) for name, dtype in wanted.items()}
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def load_upsampler(checkpoint: Checkpoint) -> Naf:
    """The NAF weights, as strictly as every network."""
    network = load_network(checkpoint)
    if not isinstance(network, Naf):
        raise InputError(f"{checkpoint.config} describes a {type(network).__name__}, not the upsampler NAF.")
    return network


def check_checkpoint(checkpoint: Checkpoint, *, torso: torch.dtype | None = None) -> nn.Module:
    """The network without its weights (meta device), after the file was found to fit it exactly."""
    stored = stored_tensors(checkpoint.weights)
    network = build_network(checkpoint, stored)
    if torso is not None:
        set_torso(network, torso)
    problems = _problems(network, stored)
    if problems:
        config = "" if checkpoint.config is None else f" as {checkpoint.config.name} describes it"
        raise InputError(
            f"{checkpoint.weights} does not fit {type(network).__name__}{config}: {'; '.join(problems)}. Nothing was "
            "loaded; fetch the checkpoint again, or give the json that belongs to it."
        )
    return network


def build_network(checkpoint: Checkpoint, stored: Mapping[str, StoredTensor]) -> nn.Module:
    """An empty network of the class and with the arguments that the json names."""
    name, args = "NAF", dict[str, Any]()
    if checkpoint.config is not None:
        name, args = _read_config(checkpoint.config)
    if name not in NETWORKS:
        raise InputError(f"{checkpoint.config} asks for the network {name!r}; known are {', '.join(sorted(NETWORKS))}.")
    if name in FLOW_CLASSES:
        args.setdefault("image_attn_mode", image_attn_mode_of(stored))
    try:
        with torch.device("meta"):
            return NETWORKS[name](**args)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{checkpoint.config} does not describe a {name}: {error}.") from error


def set_torso(network: nn.Module, dtype: torch.dtype) -> None:
    """Run what may run in half precision in `dtype`; networks without such a part stay in float32."""
    if isinstance(network, FlowTransformer):
        network.convert_torso(dtype)
    elif isinstance(network, tuple(AUTOENCODERS.values())):
        cast(StructureDecoder, network).set_torso_dtype(dtype)  # all of them have it


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """The table of contents of a safetensors file; reads no tensor, so even C64 entries do no harm."""
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  no mapping, no iterator
        return {name: StoredTensor(tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}


def load_image_encoder(found: WeightsFolder) -> ImageEncoder:
    """DINOv3 by transformers from a local folder, as strictly as everything else."""
    model = load_transformers("DINOv3ViTModel", found.path, what="The image encoder")
    encoder = ImageEncoder(model)
    return encoder.requires_grad_(False).eval()


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no complete safetensors file ({error}); fetch or copy it again.") from error


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        value = json.loads(path.read_text())
        return str(value["name"]), dict(value["args"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no network description with name and args ({error!r}).") from error


def _problems(network: nn.Module, stored: Mapping[str, StoredTensor]) -> list[str]:
    """What keeps a file from being loaded, each kind with its names."""
    expected = network.state_dict()
    missing = [name for name in expected if name not in stored]
    unexpected = [name for name in stored if name not in expected and name.rpartition(".")[2] != _TOLERATED]
    shapes = [
        f"{name} is {stored[name].shape}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in stored and stored[name].shape != tuple(tensor.shape)
    ]
    dtypes = [
        f"{name} is {stored[name].dtype}" for name in expected if name in stored and stored[name].dtype not in _STORED
    ]
    problems = [
        _listed("missing", missing),
        _listed("unexpected", unexpected),
        _listed("wrong shape", shapes),
        _listed(f"wrong type (only {', '.join(_STORED)} are weights)", dtypes),
        _other_backend(missing, unexpected),
    ]
    return [problem for problem in problems if problem]


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} {what}: {', '.join(names[:_MOST_NAMES])}{more}"


def _other_backend(missing: list[str], unexpected: list[str]) -> str:
    """Files saved by a program with another sparse convolution differ in these names only."""
    wrapped = {f"{stem}.conv.{leaf}" for stem, _, leaf in (name.rpartition(".") for name in missing)}
    kernels = {
        f"{stem}.conv.kernel" for stem, _, leaf in (name.rpartition(".") for name in missing) if leaf == "weight"
    }
    found = set(unexpected)
    if found & kernels:
        return "the names and layout of the torchsparse back-end; convert X.conv.kernel (27, in, out) to X.weight"
    if found & wrapped:
        return "the names of the spconv back-end; rename X.conv.weight to X.weight (same shape, same meaning)"
    return ""


def _converted(checkpoint: Checkpoint, wanted: Mapping[str, torch.dtype], torso: torch.dtype | None) -> Path:
    """The file to read: the original, or a smaller copy of it in the types that the network keeps."""
    stored = stored_tensors(checkpoint.weights)
    if all(_STORED[stored[name].dtype].itemsize <= dtype.itemsize for name, dtype in wanted.items()):
        return checkpoint.weights
    key = hashlib.sha256(f"{checkpoint.digest} {torso}".encode()).hexdigest()[:32]
    copy = own_cache() / "converted" / f"{checkpoint.weights.stem}-{key}.safetensors"
    if copy.is_file() and _fits(copy, stored, wanted):
        return copy
    with _opened(checkpoint.weights) as file:
        tensors = {name: file.get_tensor(name).to(dtype) for name, dtype in wanted.items()}
    return copy if _save(copy, tensors) else checkpoint.weights


def _fits(copy: Path, stored: Mapping[str, StoredTensor], wanted: Mapping[str, torch.dtype]) -> bool:
    """Whether a kept copy is whole; a damaged one is made again."""
    try:
        kept = stored_tensors(copy)
    except InputError:
        return False
    return kept.keys() == wanted.keys() and all(
        kept[name].shape == stored[name].shape and _STORED.get(kept[name].dtype) == dtype
        for name, dtype in wanted.items()
    )


def _save(path: Path, tensors: Mapping[str, Tensor]) -> bool:
    """Write under a temporary name, then rename; a full or read-only cache costs time at the next start, no more."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=path.parent)
        os.close(handle)
        save_file(dict(tensors), temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        _log.warning(
            "The converted checkpoint could not be kept in %s (%s); it is converted anew each time.", path, error
        )
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        return False
    return True
