"""Hidden parts painted by an inpainting pipeline of diffusers: Stable Diffusion (XL), FLUX Fill and their kin.

Which pipeline it is, the folder's own `model_index.json` says. The object goes in on a plain background with the hole
masked, and is cut out by that background (`plain_background`). Frame: `crop` px.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ..code_revision import code_revision
from ..errors import BackendMissing, InputError, StageFailed
from ..progress import Progress
from ..settings import CompleteSettings
from ..weights.digest import content_digest
from ..weights.location import WeightsFolder, find_weights
from .completer import Completion, HiddenPart
from .plain_background import choose_plain, cut_from_plain, on_plain

if TYPE_CHECKING:
    import torch

_PACKAGES = ("diffusers", "accelerate")
_PROMPT = "a photo of a {label}, whole and unobstructed, on a plain {background} background"
_NEGATIVE = "other objects, people, text, frame, cropped"
# Where a pipeline does not say what it was trained with (FLUX).
_DEFAULT_SIDE_PX = 1024
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class Inpaint:
    """The pipeline with the weights that the settings name.

    Raises BackendMissing, with what to type, where the packages or the weights are not on this machine, InputError
    for a folder that is no pipeline or holds pickles only. torch is loaded by `complete`, not before.
    """

    name = "inpaint"

    def __init__(self, settings: CompleteSettings, *, device: str) -> None:
        if missing := [package for package in _PACKAGES if importlib.util.find_spec(package) is None]:
            raise BackendMissing(
                f"Completing hidden parts needs {' and '.join(missing)}, not installed here; type "
                "pip install 'pixal3d-scene[complete]', or leave out --complete."
            )
        self._settings, self._device_name = settings, device
        self._found = find_weights(settings.weights, revision=settings.revision)
        self._index = _read_index(self._found)
        files = _files_of(self._found.path, self._index)
        contents = [f"{file.relative_to(self._found.path)} {content_digest(file)}" for file in files]
        method = code_revision("frontend/inpaint.py", "frontend/plain_background.py")
        self.revision = hashlib.sha256("\n".join([method, *contents]).encode()).hexdigest()[:16]

    def complete(
        self, hidden: Sequence[HiddenPart], seeds: Sequence[int], progress: Progress
    ) -> list[Completion | StageFailed]:
        """See `Completer`."""
        import torch

        pipeline = self._load()
        results: list[Completion | StageFailed] = []
        for part, seed in zip(hidden, seeds, strict=True):
            results.append(self._completion_or_failure(pipeline, part, seed))
            progress.step(part.name)
        del pipeline
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # the generator wants the memory
        return results

    def _load(self) -> Any:
        import diffusers
        import torch

        device = _device(self._device_name)
        on_gpu = device.type == "cuda"
        half = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float16
        paints = any(word in self._index["_class_name"] for word in ("Inpaint", "Fill"))
        loader: Any = diffusers.DiffusionPipeline if paints else diffusers.AutoPipelineForInpainting
        # A content filter that takes a sofa for something else returns black pictures.
        unfiltered = {"safety_checker": None, "requires_safety_checker": False}
        options: dict[str, Any] = {key: value for key, value in unfiltered.items() if key in self._index}
        try:
            with _quiet():
                pipeline = loader.from_pretrained(
                    self._found.path,
                    dtype=half if on_gpu else torch.float32,
                    variant=_variant(self._found.path),
                    use_safetensors=True,
                    local_files_only=True,
                    **options,
                )
        except (OSError, ValueError, ImportError, AttributeError, RuntimeError, TypeError, KeyError) as error:
            first = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"The inpainting pipeline in {self._found.path} does not load: {type(error).__name__}: {first}. "
                "Fetch it again, or name another as complete.weights."
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        if on_gpu and self._settings.low_vram:
            pipeline.enable_model_cpu_offload(device=device)
            return pipeline
        return pipeline.to(device)

    def _completion_or_failure(self, pipeline: Any, part: HiddenPart, seed: int) -> Completion | StageFailed:
        try:
            return self._completion(pipeline, part, seed)
        except StageFailed as failure:
            return failure
        except Exception as error:  # one bad object must not end the others
            unexpected = StageFailed("complete", f"{type(error).__name__}: {error}", object_name=part.name)
            unexpected.__cause__ = error
            return unexpected

    def _completion(self, pipeline: Any, part: HiddenPart, seed: int) -> Completion:
        rgba = part.volume.rgba
        # Pixels that mix the object with what is in front of it would teach the network the wrong colours.
        visible = (rgba[..., 3] >= 128) & ~part.hole
        if not visible.any():
            raise StageFailed("complete", "nothing of the object is visible alone", object_name=part.name)
        object_rgb = rgba[visible][:, :3]
        plain = choose_plain(object_rgb)
        given = rgba.copy()
        given[..., 3][part.hole] = 0
        prompt = _PROMPT.format(label=part.volume.instance.label, background=plain.word)
        painted_rgb = self._paint(pipeline, on_plain(given, plain), part, prompt, seed)
        whole = cut_from_plain(painted_rgb, visible, part.hole, object_rgb, plain)
        return Completion(rgba=np.dstack([painted_rgb, whole.astype(np.uint8) * 255]))

    def _paint(
        self, pipeline: Any, picture: UInt8[np.ndarray, "S S 3"], part: HiddenPart, prompt: str, seed: int
    ) -> UInt8[np.ndarray, "S S 3"]:
        import torch

        size_px = part.volume.camera.size_px
        side_px = self._settings.picture_px or _own_side_px(pipeline)
        mask = Image.fromarray(part.hole.astype(np.uint8) * 255).resize((side_px, side_px), Image.Resampling.BILINEAR)
        accepted = inspect.signature(pipeline.__call__).parameters
        optional = {"strength": 1.0, "negative_prompt": _NEGATIVE, "guidance_scale": self._settings.guidance}
        with torch.inference_mode():
            output = pipeline(
                prompt=prompt,
                image=Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.LANCZOS),
                mask_image=mask.point(lambda value: 255 if value else 0),
                height=side_px,
                width=side_px,
                num_inference_steps=self._settings.steps,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="np",
                **{key: value for key, value in optional.items() if key in accepted and value is not None},
            )
        painted = np.asarray(output.images[0], dtype=np.float32)
        if not np.isfinite(painted).all():
            raise StageFailed("complete", "it painted values that are not finite", object_name=part.name)
        unit = (np.clip(painted, 0, 1) * 255).round().astype(np.uint8)
        return np.asarray(Image.fromarray(unit).resize(size_px, Image.Resampling.LANCZOS))


def _read_index(found: WeightsFolder) -> dict[str, Any]:
    """`model_index.json`: class of the pipeline, and library and class of every component."""
    path = found.path / "model_index.json"
    try:
        index: dict[str, Any] = json.loads(path.read_text())
        str(index["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{found.path} holds no readable model_index.json, so it is no pipeline of diffusers; give the folder "
            "that save_pretrained wrote, or fetch one with `pixal3d-scene models fetch sdxl-inpainting`."
        ) from error
    return index


def _files_of(folder: Path, index: dict[str, Any]) -> Iterator[Path]:
    """All files of the pipeline that take part. Raises InputError where a component's weights are pickles only."""
    yield folder / "model_index.json"
    for name, entry in sorted(index.items()):
        if name == "safety_checker" or not (isinstance(entry, list) and entry[0]):
            continue
        component = folder / name
        if any(next(component.glob(kind), None) for kind in _PICKLES) and not any(component.glob("*.safetensors")):
            raise InputError(
                f"{component} holds its weights as pickles only, which can run any program and are never opened; "
                "use a pipeline saved as safetensors."
            )
        for suffix in (".json", ".txt", ".model", ".safetensors"):
            yield from sorted(component.glob(f"*{suffix}"))


def _variant(folder: Path) -> str | None:
    """ "fp16" where only such files are there."""
    for network in ("unet", "transformer"):
        weights = [file.name for file in (folder / network).glob("*.safetensors")]
        if weights and all(".fp16" in name for name in weights):
            return "fp16"
    return None


def _device(name: str) -> torch.device:
    import torch

    from ..generator.pixal3d import choose_device

    return torch.device(name) if name == "mps" else choose_device(name)


def _own_side_px(pipeline: Any) -> int:
    """The side of the pictures that the network was trained with."""
    unet = getattr(pipeline, "unet", None)
    if unet is None or not isinstance(unet.config.sample_size, int):
        return _DEFAULT_SIDE_PX
    return int(unet.config.sample_size * pipeline.vae_scale_factor)


@contextmanager
def _quiet() -> Iterator[None]:
    """Loading draws no bars of its own: the caller shows progress."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    shown = [library for library in (of_diffusers, of_transformers) if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
