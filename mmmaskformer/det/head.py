"""MaskFormer as a panoptic head: works in our detector and in mmdet's stock one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from mmmaskformer.batches import padding_of
from mmmaskformer.core import MaskTransformer
from mmmaskformer.core.inference import label_map
from mmmaskformer.core.instances import instance_predictions
from mmmaskformer.core.panoptic import detr_segments, panoptic_segments
from mmmaskformer.core.tiles import OutputGeometry
from mmmaskformer.errors import UserError
from mmmaskformer.labels import check_ignore_index
from mmmaskformer.registry import MODELS
from mmmaskformer.structures import MaskPredictions, SegmentTargets

from .panoptic_code import check_room, write_panoptic
from .samples import geometry_of, input_size, segment_targets

POSTPROCESSES = ("maskformer", "detr")
DEFAULTS = dict(
    panoptic_on=True,
    instance_on=False,
    semantic_on=False,
    postprocess="maskformer",
    object_mask_thr=0.8,
    iou_thr=0.8,
    filter_low_score=False,
    max_per_image=100,
)


@MODELS.register_module()
class MaskFormerPanopticHead(MaskTransformer):
    """The paper's model with mmdet's calling convention; the very parameters of the semantic head.

    Args:
        in_channels: channels of the backbone's stages, finest first.
        num_things_classes: things, classes 0..num_things_classes-1.
        num_stuff_classes: stuff, the classes behind them; 0 for instance segmentation.
        criterion: config of the losses, ``mmmaskformer.MaskCriterion`` by default.
        ignore_index: label of void pixels in semantic maps.
        train_cfg: ignored; mmdet's detector passes it.
        test_cfg: what to predict and how, in mmdet's words: ``panoptic_on`` (True), ``instance_on``, ``semantic_on``,
            ``object_mask_thr`` (least class confidence, 0.8), ``iou_thr`` (least share of its mask that a segment
            keeps, 0.8), ``filter_low_score``, ``max_per_image`` (instances, 100); and ``postprocess``, "maskformer" or
            "detr".
        **kwargs: see :class:`mmmaskformer.core.MaskTransformer`.

    Raises:
        UserError: ``ignore_index`` is a class, or there are too many classes for mmdet's code of panoptic output.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_things_classes: int,
        num_stuff_classes: int,
        criterion: dict | None = None,
        ignore_index: int = 255,
        train_cfg: dict | None = None,
        test_cfg: Mapping | None = None,
        **kwargs,
    ) -> None:
        if num_things_classes < 0 or num_stuff_classes < 0:
            raise UserError(
                f"{type(self).__name__}: num_things_classes={num_things_classes} and "
                f"num_stuff_classes={num_stuff_classes} must not be negative"
            )
        super().__init__(in_channels=in_channels, num_classes=num_things_classes + num_stuff_classes, **kwargs)
        self.num_things_classes = num_things_classes
        self.num_stuff_classes = num_stuff_classes
        self.ignore_index = ignore_index
        self.test_cfg = check_test_cfg(test_cfg or {})
        self._check_labels()
        self.criterion = MODELS.build(
            {"type": "mmmaskformer.MaskCriterion", **(criterion or {})}, default_args=dict(num_classes=self.num_classes)
        )

    def _check_labels(self) -> None:
        name = type(self).__name__
        if self.num_stuff_classes or self.test_cfg["semantic_on"]:  # else there are no semantic maps
            check_ignore_index(name, self.ignore_index, self.num_classes)
        if self.test_cfg["panoptic_on"]:
            check_room(name, self.num_classes, ": set test_cfg.panoptic_on=False for instances or a semantic map alone")

    def check_dataset_meta(self, metainfo: Mapping) -> None:
        """Refuse a data set with other numbers of things or stuff (called before a run's first iteration).

        Raises:
            UserError: they disagree.
        """
        classes = metainfo.get("classes")
        things = metainfo.get("thing_classes", classes if self.num_stuff_classes == 0 else None)
        stuff = metainfo.get("stuff_classes", [] if self.num_stuff_classes == 0 else None)
        found: tuple[int, ...] | None
        wanted: tuple[int, ...]
        if things is None or stuff is None:
            found, wanted = None if classes is None else (len(classes),), (self.num_classes,)
        else:
            found, wanted = (len(things), len(stuff)), (self.num_things_classes, self.num_stuff_classes)
        if found is not None and found != wanted:
            kinds = " + ".join(f"{n} {kind}" for n, kind in zip(found, ("things", "stuff"))) if found[1:] else found[0]
            raise UserError(
                f"{type(self).__name__} has num_things_classes={self.num_things_classes} and num_stuff_classes="
                f"{self.num_stuff_classes} but the data set has {kinds} classes: make model.panoptic_head agree with it"
            )

    def forward(
        self,
        features: Sequence[Tensor],
        samples: Sequence[DetDataSample],
        last_only: bool = False,
        targets: SegmentTargets | None = None,
    ) -> MaskPredictions:
        """Predict from the backbone's outputs; the samples tell the padding where ``mask_padding`` asks for it."""
        padding = None
        if self.mask_padding:
            metas = [sample.metainfo for sample in samples]
            padding = padding_of(metas, input_size(samples), features[0].device)
        return super().forward(features, padding, last_only, targets)

    def loss(self, features: Sequence[Tensor], samples: Sequence[DetDataSample]) -> dict[str, Tensor]:
        """Losses of a padded batch; see :class:`mmmaskformer.core.MaskCriterion` and ``segment_targets``.

        Raises:
            UserError: ground truth that is missing, out of range or not padded.
            FloatingPointError: a non-finite prediction.
        """
        targets = segment_targets(samples, self.num_things_classes, self.num_stuff_classes, self.ignore_index)
        return self.criterion(self(features, samples, targets=targets), targets)

    def predict(self, features: Sequence[Tensor], samples: Sequence[DetDataSample]) -> tuple[Tensor, Tensor]:
        """Class logits (B, Q, K+1) and mask logits (B, Q, H, W) at padded input size, for mmdet's own fusion head.

        Our detector never makes the latter: it calls :meth:`predict_samples`.
        """
        predictions = self(features, samples, last_only=True)
        masks = F.interpolate(predictions.mask_logits(), size=input_size(samples), mode="bilinear", align_corners=False)
        return predictions.class_logits[0], masks

    @torch.no_grad()
    def predict_samples(
        self, features: Sequence[Tensor], samples: Sequence[DetDataSample], rescale: bool = True
    ) -> Sequence[DetDataSample]:
        """Fill in the predictions that ``test_cfg`` asks for, from one forward pass.

        ``pred_panoptic_seg.sem_seg`` (1, H, W) in mmdet's code, class + 1000 x instance with K for VOID, beside
        ``pred_segments`` (ids in that code, labels, scores); ``pred_instances`` (bboxes, labels, scores, masks);
        ``pred_sem_seg.sem_seg`` (1, H, W).

        Args:
            features: the backbone's outputs.
            samples: of the batch, changed in place.
            rescale: results at the original size, else at that of the resized image.
        """
        predictions = self(features, samples, last_only=True)
        size = input_size(samples)
        for image, sample in enumerate(samples):
            geometry = geometry_of(sample.metainfo, size, rescale)
            if self.test_cfg["panoptic_on"]:
                self._add_panoptic(predictions, image, geometry, sample)
            if self.test_cfg["instance_on"]:
                found = instance_predictions(
                    predictions, image, geometry, self.num_things_classes, self.test_cfg["max_per_image"]
                )
                sample.pred_instances = InstanceData(
                    bboxes=found.boxes, labels=found.labels, scores=found.scores, masks=found.masks
                )
            if self.test_cfg["semantic_on"]:
                # As the release: with panoptic output on, mask logits are resized before the sigmoid.
                order = "mask_logits" if self.test_cfg["panoptic_on"] else "scores"
                labels = label_map(predictions, image, geometry, order, void=self.ignore_index)
                sample.pred_sem_seg = PixelData(sem_seg=labels[None])
        return samples

    def _add_panoptic(
        self, predictions: MaskPredictions, image: int, geometry: OutputGeometry, sample: DetDataSample
    ) -> None:
        options = dict(num_things=self.num_things_classes, confidence=self.test_cfg["object_mask_thr"])
        if self.test_cfg["postprocess"] == "detr":
            segments = detr_segments(predictions, image, geometry, **options)
        else:
            segments = panoptic_segments(
                predictions,
                image,
                geometry,
                overlap=self.test_cfg["iou_thr"],
                drop_uncertain_pixels=self.test_cfg["filter_low_score"],
                **options,
            )
        write_panoptic(sample, segments, self.num_things_classes, self.num_classes)


def check_test_cfg(test_cfg: Mapping) -> dict:
    """Return the options with their defaults.

    Raises:
        UserError: an option that does not exist, or a value that cannot be.
    """
    unknown = [key for key in test_cfg if key not in DEFAULTS]
    if unknown:
        raise UserError(f"test_cfg has {', '.join(unknown)}; it knows {', '.join(DEFAULTS)}")
    options = {**DEFAULTS, **test_cfg}
    if options["postprocess"] not in POSTPROCESSES:
        raise UserError(f"test_cfg.postprocess={options['postprocess']!r}, expected one of {POSTPROCESSES}")
    for key in ("object_mask_thr", "iou_thr"):
        if not 0 <= options[key] <= 1:
            raise UserError(f"test_cfg.{key}={options[key]}, expected 0..1")
    if options["max_per_image"] < 1:
        raise UserError(f"test_cfg.max_per_image={options['max_per_image']}, expected at least 1")
    if not any(options[key] for key in ("panoptic_on", "instance_on", "semantic_on")):
        raise UserError("test_cfg asks for no output: set panoptic_on, instance_on or semantic_on")
    return options
