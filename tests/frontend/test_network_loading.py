"""Every network family from a folder on the disk, by the code that loads the published weights."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_networks
import torch
from safetensors.torch import load_file, save_file

from pixal3d_scene.errors import BackendMissing, InputError
from pixal3d_scene.frontend import grounding_dino, owlv2, sam2, sam3
from pixal3d_scene.frontend.grounding_dino import GroundingDino
from pixal3d_scene.frontend.mask_grid import GridSettings
from pixal3d_scene.frontend.owlv2 import Owlv2
from pixal3d_scene.frontend.prompts import Prompt, in_batches
from pixal3d_scene.frontend.sam import Sam
from pixal3d_scene.frontend.sam2 import Sam2
from pixal3d_scene.frontend.sam3 import Sam3
from pixal3d_scene.frontend.sam_checkpoint import load_sam, official_names
from pixal3d_scene.frontend.torchvision_stand_in import batched_nms
from pixal3d_scene.photo import Photo
from pixal3d_scene.weights.network_folder import find_network

CPU = torch.device("cpu")
EVERYTHING = GridSettings(points=4, quality=0.0, stability=0.0, batch=5)
BOX_PX = (10.0, 20.0, 60.0, 90.0)
WORDS = ("sofa", "lamp", "table")
NETWORKS: dict[str, Callable[[Path], Any]] = {
    "sam": lambda folder: Sam(folder, device=CPU, grid=EVERYTHING),
    "sam2": lambda folder: Sam2(folder, device=CPU, grid=EVERYTHING),
    "sam3": lambda folder: Sam3(folder, device=CPU, threshold=0.1),
    "grounding_dino": lambda folder: GroundingDino(folder, device=CPU, threshold=0.1),
    "owlv2": lambda folder: Owlv2(folder, device=CPU, threshold=0.1),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("networks")
    return {name: write(root / name) for name, write in tiny_networks.WRITERS.items()}


@pytest.fixture(scope="module")
def photo() -> Photo:
    """Portrait, of odd size."""
    rgb = np.random.default_rng(0).integers(0, 255, (131, 97, 3), dtype=np.uint8)
    return Photo(rgb=rgb, file_name="photo.png", sha256="0")


def model_type(folder: Path) -> str:
    return json.loads((folder / "config.json").read_text())["model_type"]


def answer(network: Any, photo: Photo) -> list[Any]:
    """What a network says about a photo, as plain values."""
    if hasattr(network, "segment_prompts"):
        prompts = [
            Prompt(box_px=BOX_PX),
            Prompt(points_px=((30.0, 40.0),), negative_px=((5.0, 5.0),)),
        ]
        found = network.segment_prompts(photo, prompts) + network.segment_everything(photo)
    elif hasattr(network, "segment_words"):
        found = network.segment_words(photo, WORDS)
    else:
        return [(d.label, round(d.score, 5), np.round(d.box_px, 2).tolist()) for d in network.detect(photo, WORDS)]
    return [(f.label, round(f.score, 5), f.mask.shape, int(f.mask.sum()), f.mask.tobytes()) for f in found]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_load_and_answer_the_same_every_time(name: str, folders: dict[str, Path], photo: Photo) -> None:
    first = answer(NETWORKS[name](folders[name]), photo)
    assert first
    assert first == answer(NETWORKS[name](folders[name]), photo)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_and_an_extra_key_are_named(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders[name], tmp_path / "copy"))
    file = folder / "model.safetensors"
    tensors = load_file(file)
    removed = next(key for key in sorted(tensors) if key.endswith(("lin1.bias", "fc1.bias", "iou_token.weight")))
    save_file({k: v for k, v in tensors.items() if k != removed}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"missing.*{removed}"):
        NETWORKS[name](folder)
    save_file({**tensors, "another.weight": torch.zeros(2)}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"unexpected.*another\.weight"):
        NETWORKS[name](folder)
    save_file({**tensors, removed: torch.zeros(3)}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"(mismatched|shape).*{removed}"):
        NETWORKS[name](folder)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cannot be loaded|no complete safetensors"):
        NETWORKS[name](folder)


def test_the_hubs_video_folders_load_too(tmp_path: Path, photo: Photo) -> None:
    """The published SAM 2 and SAM 3 hold more networks than are used here."""
    two, three = tiny_networks.write_sam2_video(tmp_path / "two"), tiny_networks.write_sam3_video(tmp_path / "three")
    assert (model_type(two), model_type(three)) == ("sam2_video", "sam3_video")
    assert answer(NETWORKS["sam2"](two), photo)
    NETWORKS["sam3"](three)


@pytest.mark.parametrize("name", ["sam2", "sam3", "grounding_dino", "owlv2"])
def test_half_precision_goes_through(
    name: str, folders: dict[str, Path], photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on CUDA, where all but SAM 1 runs under autocast; the CPU can do it as well, only more slowly."""
    for module in (sam2, sam3, grounding_dino, owlv2):
        monkeypatch.setattr(module, "half_precision", lambda _: torch.autocast("cpu", dtype=torch.bfloat16))
    rough = answer(NETWORKS[name](folders[name]), photo)
    monkeypatch.setattr(sys.modules[f"pixal3d_scene.frontend.{name}"], "half_precision", lambda _: nullcontext())
    exact = answer(NETWORKS[name](folders[name]), photo)
    assert rough
    assert exact[0][1] == pytest.approx(rough[0][1], abs=0.05)


# Boxes and words as the published post-processing gives them


def test_grounding_dino_boxes_are_those_of_its_processor(folders: dict[str, Path], photo: Photo) -> None:
    from transformers.models.grounding_dino.processing_grounding_dino import GroundingDinoProcessor

    network, seen = NETWORKS["grounding_dino"](folders["grounding_dino"]), {}
    network._model.register_forward_hook(lambda _, __, output: seen.update(output=output))
    found = network.detect(photo, WORDS)
    words = GroundingDinoProcessor._preprocess_input_text(None, list(WORDS))  # type: ignore[arg-type]
    assert network._tokenizer(words).input_ids == seen["output"].input_ids[0].tolist()

    class Decoder:
        def batch_decode(self, ids: list[list[int]]) -> list[str]:
            return [network._tokenizer.decode(i) for i in ids]

    (theirs,) = GroundingDinoProcessor.post_process_grounded_object_detection(
        Decoder(),
        seen["output"],
        threshold=0.01,
        text_threshold=0.01,
        target_sizes=[(131, 97)],  # type: ignore[arg-type]
    )
    boxes = theirs["boxes"].numpy().clip(0, [97, 131, 97, 131])
    assert found
    for d in found:
        query = int(np.abs(boxes - d.box_px).max(axis=1).argmin())
        assert np.abs(boxes[query] - d.box_px).max() < 1e-3
        assert d.label in theirs["text_labels"][query]
        assert d.score <= theirs["scores"][query].item() + 1e-6  # theirs counts full stops as well


def test_owlv2_boxes_are_those_of_its_processor(folders: dict[str, Path]) -> None:
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

    network, seen = NETWORKS["owlv2"](folders["owlv2"]), {}
    network._model.register_forward_hook(lambda _, __, output: seen.update(output=output))
    rgb = np.random.default_rng(0).integers(0, 255, (128, 96, 3), dtype=np.uint8)  # fills whole pixels of the square
    found = network.detect(Photo(rgb=rgb, file_name="photo.png", sha256="0"), WORDS)
    (theirs,) = Owlv2ImageProcessorPil().post_process_object_detection(
        seen["output"], threshold=0.1, target_sizes=[(128, 96)]
    )
    wanted = {round(s.item(), 5): i for i, s in enumerate(theirs["scores"])}
    assert found
    for d in found:
        i = wanted[round(d.score, 5)]
        assert np.abs(theirs["boxes"][i].numpy().clip(0, [96, 128, 96, 128]) - d.box_px).max() < 1e-3
        assert d.label == WORDS[int(theirs["labels"][i])]


# Half pixels, in the networks' own embedding of places


def test_a_click_is_embedded_where_sam_embeds_that_cell(folders: dict[str, Path], photo: Photo) -> None:
    """A click on the middle of cell (2, 1) of the image features has the place that the features have there.

    SAM 1 keeps the photo's shape in the upper left of its square, SAM 2 stretches it.
    """
    side, cell = tiny_networks.SIDE_PX, 16
    seen: dict[str, torch.Tensor] = {}
    row, column = 2, 1
    old = NETWORKS["sam"](folders["sam"])
    filled = (round(side * 97 / 131), side)
    encoder = old._model.prompt_encoder
    click = tuple(((i + 0.5) * cell * p / f) for i, p, f in zip((column, row), photo.size_px, filled, strict=True))
    encoder.register_forward_hook(lambda _, __, output: seen.update(sam=output[0]))
    old.segment_prompts(photo, [Prompt(points_px=(click,))])
    place = seen["sam"][0, 0] - encoder.point_embeddings[1].weight[0]
    assert torch.allclose(place, encoder.get_dense_pe()[0, :, row, column], atol=1e-4)

    new = NETWORKS["sam2"](folders["sam2"])
    encoder = new._model.prompt_encoder
    click = tuple((i + 0.5) * cell * p / side for i, p in zip((column, row), photo.size_px, strict=True))
    # Published weights have the same random frequencies twice.
    encoder.shared_embedding.positional_embedding.copy_(new._model.shared_image_embedding.positional_embedding)
    encoder.register_forward_hook(lambda _, __, output: seen.update(sam2=output[0]))
    new.segment_prompts(photo, [Prompt(points_px=(click,))])
    place = seen["sam2"][0, 0, 0] - encoder.point_embed.weight[1]
    assert torch.allclose(place, new._model.get_image_wide_positional_embeddings()[0, :, row, column], atol=1e-4)


@pytest.mark.parametrize("name", ["sam", "sam2"])
def test_prompts_answered_together_and_alone_are_the_same(name: str, folders: dict[str, Path], photo: Photo) -> None:
    network = NETWORKS[name](folders[name])
    boxes = [(5.0, 6.0, 40.0, 50.0), BOX_PX, (50.0, 60.0, 96.0, 130.0)]
    prompts = [*(Prompt(label=f"{i}", box_px=box) for i, box in enumerate(boxes)), Prompt(points_px=((9.0, 9.0),))]
    prompts = [prompts[3], *prompts]
    together = network.segment_prompts(photo, prompts)
    assert [t.label for t in together] == [p.label for p in prompts]
    for prompt, one in zip(prompts, together, strict=True):
        (alone,) = network.segment_prompts(photo, [prompt])
        assert (alone.mask != one.mask).mean() < 0.001
        assert alone.score == pytest.approx(one.score, abs=1e-4)


def test_batches_keep_the_order() -> None:
    box, click = Prompt(box_px=BOX_PX), Prompt(points_px=((1.0, 1.0),))
    assert [len(b) for b in in_batches([box, box, box, click, click, box], 2)] == [2, 1, 1, 1, 1]
    assert list(in_batches([], 2)) == []


# SAM 1


def test_both_spellings_of_sam_are_one_network(tmp_path: Path, photo: Photo) -> None:
    """The hub's copy of SAM 1 gives the same masks by this package as by transformers, whose network is another."""
    from transformers import SamModel
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    folder = tiny_networks.write_hub_sam(tmp_path / "hub")
    theirs = SamModel.from_pretrained(folder, local_files_only=True).eval()
    side = tiny_networks.SIDE_PX
    processor = SamImageProcessorPil(
        size={"longest_edge": side}, pad_size={"height": side, "width": side}, mask_size={"longest_edge": side // 4}
    )
    picture = processor(photo.image, return_tensors="pt")
    box = torch.tensor(BOX_PX) * torch.tensor([47 / 97, 64 / 131] * 2) - 0.5
    with torch.no_grad():
        output = theirs(pixel_values=picture["pixel_values"], input_boxes=box[None, None], multimask_output=False)
    ours = NETWORKS["sam"](folder)
    (found,) = ours.segment_prompts(photo, [Prompt(box_px=BOX_PX)])
    wanted = torch.nn.functional.interpolate(output.pred_masks[0], (side, side), mode="bilinear", align_corners=False)
    wanted = torch.nn.functional.interpolate(wanted[..., :side, :47], (131, 97), mode="bilinear", align_corners=False)
    assert 0.05 < found.mask.mean() < 0.95
    assert ((wanted[0, 0] > 0).numpy() != found.mask).mean() < 0.002
    assert found.score == pytest.approx(float(output.iou_scores.clamp(0, 1)), abs=1e-3)


def test_hub_names_become_the_official_ones(tmp_path: Path) -> None:
    hub = load_file(tiny_networks.write_hub_sam(tmp_path / "hub") / "model.safetensors")
    official = tiny_networks.sam1_state()
    assert {n: t.shape for n, t in official_names(hub).items() if "iou_prediction" not in n} == {
        n: t.shape for n, t in official.items() if "iou_prediction" not in n
    }


def test_the_published_size_follows_from_the_tensors() -> None:
    """Shapes of the official vit_b give the official vit_b, and its number of parameters."""
    from pixal3d_scene.frontend.sam_checkpoint import build_sam
    from pixal3d_scene.frontend.torchvision_stand_in import import_segment_anything

    with torch.device("meta"):
        official = import_segment_anything().sam_model_registry["vit_b"]()
        ours = build_sam(official.state_dict())
    assert {n: t.shape for n, t in ours.state_dict().items()} == {n: t.shape for n, t in official.state_dict().items()}
    assert ours.image_encoder.img_size == official.image_encoder.img_size == 1024
    for mine, theirs in zip(ours.image_encoder.blocks, official.image_encoder.blocks, strict=True):
        assert mine.window_size == theirs.window_size
        assert mine.attn.num_heads == theirs.attn.num_heads
    attention = [m.transformer.layers[0].self_attn.num_heads for m in (ours.mask_decoder, official.mask_decoder)]
    assert attention[0] == attention[1]
    assert sum(p.numel() for p in ours.parameters()) == pytest.approx(93.7e6, rel=0.01)


def test_the_conversion_in_the_docs_works(tmp_path: Path, photo: Photo) -> None:
    """docs/weights.md, typed as it stands there, beside a .pth as the official ones are."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "weights.md").read_text()
    (program,) = re.findall(r'mkdir -p sam && python -c "\n(.*?)"\n```', page, flags=re.S)
    torch.save(tiny_networks.sam1_state(), tmp_path / "sam_vit_h_4b8939.pth")
    (tmp_path / "sam").mkdir()
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    tiny_networks.write_sam(tmp_path / "direct")
    assert answer(NETWORKS["sam"](tmp_path / "sam"), photo) == answer(NETWORKS["sam"](tmp_path / "direct"), photo)


def test_what_is_no_sam_says_so(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"is no SAM 1 checkpoint.*patch_embed"):
        load_sam(tmp_path / "model.safetensors")


def test_the_stand_ins_of_torchvision_are_gone_afterwards(folders: dict[str, Path]) -> None:
    NETWORKS["sam"](folders["sam"])
    if find_spec("torchvision") is not None:
        pytest.skip("a real torchvision is installed and in use")
    assert [name for name in sys.modules if name.split(".")[0] == "torchvision"] == []
    from transformers.utils import is_torchvision_available

    assert not is_torchvision_available()


def test_the_stand_in_suppresses_within_categories_only() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    scores, categories = torch.tensor([0.5, 0.9, 0.8, 0.1]), torch.tensor([0, 0, 1, 0])
    assert batched_nms(boxes, scores, categories, iou_threshold=0.5).tolist() == [1, 2, 3]
    assert batched_nms(boxes[:0], scores[:0], categories[:0], iou_threshold=0.5).tolist() == []


# Where weights are looked for


def test_pickles_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"pickle")
    with pytest.raises(InputError, match=r"sam_vit_b_01ec64\.pth is a pickle.*docs/weights\.md"):
        find_network(str(tmp_path), revision=None, needs=["model.safetensors"])
    with pytest.raises(InputError, match=r"sam_vit_b_01ec64\.pth is a file.*the folder"):
        find_network(str(tmp_path / "sam_vit_b_01ec64.pth"), revision=None)


def test_an_incomplete_folder_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackendMissing, match=r"model\.safetensors is missing"):
        find_network(str(tmp_path), revision=None)


@pytest.mark.parametrize("name", ["sam3", "grounding_dino", "owlv2"])
def test_a_network_without_its_words_is_refused(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    """transformers would make up a tokenizer that knows no word, and every label would be the same."""
    folder = Path(shutil.copytree(folders[name], tmp_path / "copy"))
    find_network(str(folder), revision=None, with_words=True)
    vocabulary = folder / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text()[:100])
    with pytest.raises(InputError, match="vocabulary that cannot be read"):
        NETWORKS[name](folder)
    vocabulary.unlink()
    with pytest.raises(InputError, match="has no vocabulary"):
        NETWORKS[name](folder)
    with pytest.raises(BackendMissing, match=r"have no tokenizer\.json"):
        find_network(str(folder), revision=None, with_words=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_folder_of_another_network_is_refused(name: str, folders: dict[str, Path]) -> None:
    for other in sorted(set(NETWORKS) - {name}):
        with pytest.raises(InputError, match=re.escape(str(folders[other]))):
            NETWORKS[name](folders[other])
