"""A trained model as a function of images and a size, without samples and frameworks: what is exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmmaskformer.core import MaskModel
from mmmaskformer.errors import UserError

from .dense import Placement, general_labels, instances, panoptic, semantic_scores
from .image_input import ImageInput


class ExportGraph(nn.Module):
    """Images (B, H, W, 3) uint8 RGB and the size of the results -> results by name.

    Args:
        model: a segmentor or detector in evaluation.
        head: its head, a :class:`MaskModel` or a per-pixel baseline of ours.
        scores: give the class scores beside the label map.
    """

    def __init__(self, model: BaseModel, head: nn.Module, scores: bool) -> None:
        super().__init__()
        self.input = ImageInput(model.data_preprocessor)
        self.model = model
        self.head = head
        self.scores = scores

    def forward(self, images: Tensor, output_size: Tensor | None = None) -> dict[str, Tensor]:
        """Predict.

        Args:
            images: (B, H, W, 3) uint8, RGB.
            output_size: (2,) int64, height and width of the results; those of the images by default.
        """
        pixels = self.input(images)
        placement = Placement(pixels.shape[-2:], images.shape[1:3], self._size(output_size))
        features = self.model.extract_feat(pixels)
        return self.results(features, self._padding(images, pixels), placement)

    def results(self, features: Sequence[Tensor], padding: Tensor | None, placement: Placement) -> dict[str, Tensor]:
        """From the backbone's outputs; ``padding`` (B, H', W') bool is None for a head that does not read it."""
        raise NotImplementedError

    def labeled(self, scores: Tensor) -> dict[str, Tensor]:
        """Return the label map of class scores (B, K, H, W), and the scores if they are asked for."""
        found = {"labels": scores.argmax(1).int()}
        return {**found, "scores": scores} if self.scores else found

    def _padding(self, images: Tensor, pixels: Tensor) -> Tensor | None:
        if not getattr(self.head, "mask_padding", False):
            return None
        rows, columns = (torch.arange(side, device=pixels.device) for side in pixels.shape[-2:])
        padding = (rows >= images.shape[1])[:, None] | (columns >= images.shape[2])
        return padding.expand(len(images), -1, -1)

    @staticmethod
    def _size(output_size: Tensor | None) -> tuple[int, int] | None:
        if output_size is None:
            return None
        height, width = output_size.tolist()
        for side in (height, width):
            torch._check(side > 0)
        return height, width


class SemanticGraph(ExportGraph):
    """Label maps of mmseg's EncoderDecoder or our segmentor with a head of ours."""

    def __init__(self, model: BaseModel, scores: bool = False) -> None:
        from mmmaskformer.seg import MaskFormerHead, MaskFormerSegmentor, PerPixelBaselineHead, PerPixelBaselinePlusHead

        head = model.decode_head
        if not isinstance(head, MaskFormerHead | PerPixelBaselineHead | PerPixelBaselinePlusHead):
            raise UserError(
                f"model.decode_head is {type(head).__name__}: only mmmaskformer's MaskFormerHead, PerPixelBaselineHead "
                "and PerPixelBaselinePlusHead are exported"
            )
        if model.test_cfg.get("mode", "whole") != "whole":
            raise UserError(
                f"model.test_cfg.mode={model.test_cfg.mode!r}: the graph sees whole images; say "
                "--cfg-options model.test_cfg.mode=whole if that is what you want to serve"
            )
        super().__init__(model, head, scores)
        self.per_pixel = not isinstance(head, MaskFormerHead)
        # The stock segmentor, and ours where it is asked for scores, know one order and semantic inference alone.
        streams = isinstance(model, MaskFormerSegmentor) and not model.test_cfg.get("scores", False)
        self.order = getattr(head, "order", "scores") if streams else "scores"
        self.general = streams and getattr(head, "inference", "semantic") == "general"
        if self.general and scores:
            raise UserError(
                "general inference gives each pixel to one pair and has no class scores: leave --scores out"
            )

    def results(self, features: Sequence[Tensor], padding: Tensor | None, placement: Placement) -> dict[str, Tensor]:
        if self.per_pixel:
            return self.labeled(placement.to_output(placement.upsample(self._class_logits(features, padding))))
        class_logits, masks = predictions(self.head, self.head.select(features), padding)
        if self.general:
            return {"labels": general_labels(class_logits, masks, placement, self.head.ignore_index).int()}
        return self.labeled(semantic_scores(class_logits, masks, placement, self.order))

    def _class_logits(self, features: Sequence[Tensor], padding: Tensor | None) -> Tensor:
        if not isinstance(self.head, MaskModel):
            return self.head(features)
        _, embeds, pixels = self.head.embed(self.head.select(features), padding, last_only=True)
        return torch.einsum("bqc,bchw->bqhw", embeds[-1], pixels.dense())


class PanopticGraph(ExportGraph):
    """What ``test_cfg`` asks our detector for: segments, instances and a label map, or some of them."""

    def __init__(self, model: BaseModel, scores: bool = False) -> None:
        from mmmaskformer.det import MaskFormer, MaskFormerPanopticHead

        head = model.panoptic_head
        if not isinstance(model, MaskFormer) or not isinstance(head, MaskFormerPanopticHead):
            kind = type(model)
            raise UserError(
                f"the model is {kind.__module__.split('.')[0]}'s {kind.__name__} with {type(head).__name__}: only "
                "mmmaskformer.MaskFormer with mmmaskformer.MaskFormerPanopticHead is exported"
            )
        super().__init__(model, head, scores)
        self.options: Mapping = head.test_cfg
        if self.options["panoptic_on"] and self.options["postprocess"] != "maskformer":
            raise UserError(
                f"model.test_cfg.postprocess={self.options['postprocess']!r} repeats itself until no segment is "
                "dropped, which a graph cannot: say --cfg-options model.test_cfg.postprocess=maskformer, or choose "
                "other --outputs"
            )
        if scores and not self.options["semantic_on"]:
            raise UserError("--scores are those of semantic output: add semantic to --outputs")

    def results(self, features: Sequence[Tensor], padding: Tensor | None, placement: Placement) -> dict[str, Tensor]:
        options, things = self.options, self.head.num_things_classes
        class_logits, masks = predictions(self.head, features, padding)
        found = {}
        if options["panoptic_on"] or options["instance_on"]:
            logits = placement.to_output(placement.upsample(masks))
        if options["panoptic_on"]:
            thresholds = (options["object_mask_thr"], options["iou_thr"], options["filter_low_score"])
            found.update(panoptic(class_logits, logits, things, *thresholds))
        if options["instance_on"]:
            found.update(instances(class_logits, logits, things, options["max_per_image"]))
        if options["semantic_on"]:
            order = "mask_logits" if options["panoptic_on"] else "scores"
            found.update(self.labeled(semantic_scores(class_logits, masks, placement, order)))
        return found


def predictions(head: MaskModel, features: Sequence[Tensor], padding: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the last layer's class logits (B, Q, K+1) and mask logits (B, Q, h, w) in fp32."""
    found = MaskModel.forward(head, features, padding, last_only=True).at_least_float32()
    return found.class_logits[0], torch.einsum("bqc,bchw->bqhw", found.mask_embeds[0], found.pixel_embeds)


def graph_of(model: BaseModel, scores: bool = False) -> ExportGraph:
    """Return the graph of a segmentor or detector in evaluation.

    Raises:
        UserError: its head is not of ours, or its inference cannot be a graph.
    """
    if hasattr(model, "panoptic_head"):
        return PanopticGraph(model, scores)
    if hasattr(model, "decode_head"):
        return SemanticGraph(model, scores)
    raise UserError(f"the config's model {type(model).__name__} has neither a decode_head nor a panoptic_head of ours")
