"""Hugging Face's MaskFormer, from its own code: logits and losses, from its folder and into it."""

import json
import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmmaskformer.checkpoint.convert import ConversionOptions, to_ours
from mmmaskformer.checkpoint.formats import read_checkpoint
from mmmaskformer.checkpoint.saving import write_hf
from mmmaskformer.errors import UserError
from mmmaskformer.structures import MaskPredictions, SegmentTargets

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers")

CLASSES, SIZE = 7, (64, 96)
STAGES = dict(out_features=["stage1", "stage2", "stage3", "stage4"])
BACKBONES = {
    "swin": lambda: transformers.SwinConfig(
        embed_dim=16, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8], window_size=4, **STAGES
    ),
    "resnet": lambda: transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[16, 32, 64, 128], depths=[3, 4, 6, 3], **STAGES
    ),
    "basic-resnet": lambda: transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2, 2, 2, 2], layer_type="basic", **STAGES
    ),
}
PUBLISHED = {  # with decoders of the published sizes, too
    "swin-t": lambda: transformers.SwinConfig(**STAGES),
    "swin-b": lambda: transformers.SwinConfig(
        embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], window_size=12, **STAGES
    ),
    "resnet-50": lambda: transformers.ResNetConfig(**STAGES),
}
LOSSES = {"loss_cls": "loss_cross_entropy", "loss_mask": "loss_mask", "loss_dice": "loss_dice"}


def their_model(backbone: str, classes: int = CLASSES) -> nn.Module:
    """A model of theirs, tiny or as published, with random weights, norms and statistics included."""
    torch.manual_seed(0)
    decoder, widths = {}, {}
    if backbone in BACKBONES:
        decoder = dict(d_model=32, decoder_layers=3, decoder_ffn_dim=64, num_queries=12)
        decoder.update(decoder_attention_heads=4, encoder_attention_heads=4)
        widths = dict(fpn_feature_size=32, mask_feature_size=64)
    model = transformers.MaskFormerForInstanceSegmentation(
        transformers.MaskFormerConfig(
            backbone_config={**BACKBONES, **PUBLISHED}[backbone](),
            decoder_config=transformers.DetrConfig(**decoder),
            num_labels=classes,
            use_auxiliary_loss=True,
            **widths,
        )
    )
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if "running_var" in name:
                value.uniform_(0.5, 1.5)
            elif value.dim() == 1 and value.is_floating_point() and "empty_weight" not in name:
                value.add_(0.1 * torch.randn_like(value))
    return model.eval()


class Pair:
    """Their model as downloaded from the hub, ours from it, and what both say about one batch."""

    def __init__(self, backbone: str, folder: Path) -> None:
        self.folder, self.theirs = folder, their_model(backbone)
        self.theirs.save_pretrained(folder)
        self.converted = to_ours(read_checkpoint(folder))
        self.ours = build(self.converted.config, self.converted.weights)
        self.images = torch.randn(2, 3, *SIZE)
        maps = torch.randint(0, CLASSES, (2, 4, 6))
        maps[1][maps[1] == 3] = 4  # another number of segments
        maps = maps.repeat_interleave(16, 1).repeat_interleave(16, 2)
        self.targets = SegmentTargets.from_semantic_maps(maps, CLASSES, 255)
        self.labels = dict(
            mask_labels=[(labels == labels.unique()[:, None, None]).float() for labels in maps],
            class_labels=[labels.unique() for labels in maps],
        )
        with torch.no_grad():
            self.found = self.theirs(self.images, **self.labels, output_hidden_states=True)
            self.predictions = self.ours.decode_head(self.ours.extract_feat(self.images))


@pytest.fixture(scope="module", params=[*BACKBONES, *PUBLISHED])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(request.param, tmp_path_factory.mktemp("hub"))


def build(config: Config, weights: dict[str, Tensor]) -> nn.Module:
    init_default_scope(config.default_scope)
    model = MODELS.build(config.model)
    model.load_state_dict(weights)
    return model.eval()


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_class_and_mask_logits_agree(pair: Pair) -> None:
    assert pair.found.class_queries_logits.std() > 0.01
    assert_close(pair.predictions.class_logits[-1], pair.found.class_queries_logits)
    assert_close(pair.predictions.mask_logits(), pair.found.masks_queries_logits)


@torch.no_grad()
def test_every_layers_losses_agree_behind_the_norm(pair: Pair) -> None:
    decoder = pair.theirs.model.transformer_module.decoder
    states = decoder.layernorm(torch.stack(pair.found.transformer_decoder_hidden_states[1:-1]))
    pixels = pair.found.pixel_decoder_last_hidden_state
    masks = torch.einsum("lbqc,bchw->lbqhw", pair.theirs.mask_embedder(states), pixels)
    auxiliary = [
        dict(masks_queries_logits=mask, class_queries_logits=logits)
        for mask, logits in zip(masks, pair.theirs.class_predictor(states))
    ]
    last = pair.found.masks_queries_logits, pair.found.class_queries_logits
    theirs = pair.theirs.get_loss_dict(*last, *pair.labels.values(), auxiliary)
    ours = pair.ours.decode_head.criterion(pair.predictions, pair.targets)
    assert len(ours) == len(theirs) == 3 * pair.theirs.config.decoder_config.decoder_layers
    for name, value in ours.items():
        *layer, kind = name.split(".")
        suffix = "".join(f"_{index.removeprefix('d')}" for index in layer)
        assert_close(value, theirs[LOSSES[kind] + suffix])


@torch.no_grad()
def test_their_own_total_agrees_whose_auxiliary_losses_are_of_states_before_the_norm(pair: Pair) -> None:
    head, inputs = pair.ours.decode_head, []
    norm = head.transformer_decoder.norm
    hook = norm.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0]))
    head(pair.ours.extract_feat(pair.images))
    hook.remove()
    # Theirs begin with the queries' zeros; only the last state has been through the norm.
    states = torch.stack([torch.zeros_like(inputs[0]), *inputs[:-1], norm(inputs[-1])])
    same = MaskPredictions.from_embeddings(
        head.class_embed(states, None, None), head.mask_embed(states), pair.predictions.pixel_embeds
    )
    assert_close(sum(head.criterion(same, pair.targets).values()), pair.found.loss)


def test_from_pretrained_loads_our_folder_without_a_key_too_many_or_too_few(pair: Pair, tmp_path: Path) -> None:
    write_hf(pair.converted, tmp_path)
    back, report = type(pair.theirs).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    original, again = pair.theirs.state_dict(), back.state_dict()
    unused = "encoder.model.layernorm."  # Swin's classifier norm, which MaskFormer does not use
    differ = [key for key, value in original.items() if not torch.equal(value, again[key]) and unused not in key]
    assert original.keys() == again.keys() and not differ
    with torch.no_grad():
        found = back.eval()(pair.images)
    assert torch.equal(found.class_queries_logits, pair.found.class_queries_logits)
    assert torch.equal(found.masks_queries_logits, pair.found.masks_queries_logits)


def test_a_release_model_reaches_their_code_with_its_logits(shared_data: Path, tmp_path: Path) -> None:
    for name in ("semantic_r50", "semantic_swin"):
        numbers = torch.load(shared_data / "reference_numbers" / f"{name}.pt", weights_only=False)
        torch.save({"model": numbers["state_dict"]}, tmp_path / "release.pth")
        write_hf(to_ours(read_checkpoint(tmp_path / "release.pth"), ConversionOptions(num_heads=4)), tmp_path / name)
        model = type(their_model("swin")).from_pretrained(tmp_path / name).eval()
        mean, std = (torch.tensor(numbers[f"pixel_{key}"]).view(-1, 1, 1) for key in ("mean", "std"))
        with torch.no_grad():
            found = model((numbers["images"] - mean) / std)
        assert_close(found.class_queries_logits, numbers["pred_logits"][-1])
        assert_close(found.masks_queries_logits, numbers["pred_masks"][-1])


def test_preprocessing_and_class_names_go_in_and_out(tmp_path: Path) -> None:
    names = [f"name {index}" for index in range(CLASSES)]
    model = their_model("swin")
    model.config.id2label = dict(enumerate(names))
    model.save_pretrained(tmp_path / "in")
    processor = transformers.MaskFormerImageProcessor(
        size=dict(shortest_edge=96, longest_edge=300), image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]
    )
    processor.save_pretrained(tmp_path / "in")
    ours = to_ours(read_checkpoint(tmp_path / "in"))
    assert ours.dataset_meta["classes"] == names
    assert ours.config.model.data_preprocessor.mean == [127.5, 102.0, 76.5]
    assert ours.config.model.data_preprocessor.test_cfg.size_divisor == 32
    assert ours.config.test_pipeline[1] == dict(type="ResizeShortestEdge", scale=96, max_size=300)
    write_hf(ours, tmp_path / "out")
    assert transformers.AutoConfig.from_pretrained(tmp_path / "out").id2label == dict(enumerate(names))
    image = torch.randint(0, 256, (3, 120, 200), dtype=torch.uint8)
    there, back = (
        transformers.AutoImageProcessor.from_pretrained(tmp_path / folder)(image, return_tensors="pt")["pixel_values"]
        for folder in ("in", "out")
    )
    assert_close(back, there)


def test_an_ade20k_panoptic_model_comes_with_the_things_first_and_goes_back_in_ade20ks_order(tmp_path: Path) -> None:
    names = [f"name {index}" for index in range(150)]
    model = their_model("basic-resnet", classes=150)
    model.config.id2label = dict(enumerate(names))
    model.save_pretrained(tmp_path / "in")
    ours = to_ours(read_checkpoint(tmp_path / "in"), ConversionOptions(task="panoptic"))
    bias = model.class_predictor.bias.detach()
    assert torch.equal(ours.weights["panoptic_head.class_embed.bias"][[0, 100, 150]], bias[[7, 0, 150]])
    assert ours.dataset_meta["thing_classes"][0] == "name 7" and ours.dataset_meta["stuff_classes"][0] == "name 0"
    write_hf(ours, tmp_path / "out")
    back = type(model).from_pretrained(tmp_path / "out")
    assert torch.equal(back.class_predictor.bias, bias)
    assert back.config.id2label == dict(enumerate(names))


@pytest.mark.parametrize(("option", "value"), [("activation_function", "gelu"), ("auxiliary_loss", True)])
def test_what_their_config_computes_otherwise_is_refused(option: str, value: object, tmp_path: Path) -> None:
    their_model("basic-resnet").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["decoder_config"][option] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"config.json has {option}={value!r}, and only"):
        to_ours(read_checkpoint(tmp_path))


@pytest.mark.parametrize("name", ["panoptic_r50_encoder", "per_pixel_plus_r50"])
def test_a_part_that_they_do_not_have_is_named(name: str, shared_data: Path, tmp_path: Path) -> None:
    numbers = torch.load(shared_data / "reference_numbers" / f"{name}.pt", weights_only=False)
    torch.save({"model": numbers["state_dict"]}, tmp_path / "release.pth")
    model = to_ours(read_checkpoint(tmp_path / "release.pth"), ConversionOptions(num_heads=4))
    part = "transformer encoder" if "encoder" in name else "class head"
    with pytest.raises(UserError, match=f"Hugging Face's MaskFormer has .*{part}"):
        write_hf(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()
