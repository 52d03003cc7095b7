"""Panoptic quality of mmdet's runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmmaskformer.det.panoptic_code import check_room, read_panoptic
from mmmaskformer.errors import UserError
from mmmaskformer.evaluation.coco_truth import CocoPanopticTruth, segments_of_sample
from mmmaskformer.evaluation.panoptic_quality import PanopticCounts, count_matches
from mmmaskformer.evaluation.quality_tables import class_numbers, class_table, group_numbers, group_table
from mmmaskformer.evaluation.submission import PanopticSubmission
from mmmaskformer.registry import METRICS
from mmmaskformer.segments import SegmentMap


@METRICS.register_module()
class PanopticQualityMetric(BaseMetric):
    """PQ, SQ and RQ of all classes, things and stuff, in percent, under the names of mmdet's ``CocoPanopticMetric``.

    It needs no panopticapi and no temporary files. Predictions are ``pred_panoptic_seg.sem_seg`` in mmdet's encoding
    (class + 1000 x instance, number of classes = VOID), of our detector or of mmdet's.

    Args:
        ann_file: COCO panoptic JSON of the truth. Without it, the truth is taken from ``segments_info`` and
            ``seg_map_path``, which must then be among the ``meta_keys`` of ``PackDetInputs``.
        seg_prefix: folder of the truth's PNGs; by default the path of ``ann_file`` without its ending, or the folder of
            ``seg_map_path``.
        classwise: whether to print and record every class as well, as ``person_PQ``.
        out_dir: folder to write predictions to in the format of COCO's server, see :class:`PanopticSubmission`; needs
            ``ann_file``, for the category ids.
        format_only: write predictions and evaluate nothing, for images whose truth only the server has.
        backend_args: MMEngine's, where the truth is not in local files.
        **kwargs: as for ``mmengine.evaluator.BaseMetric``: ``collect_device``, ``prefix``, ``collect_dir``.

    Raises:
        UserError: ``out_dir`` is given without ``ann_file``, or ``format_only`` without ``out_dir``.
    """

    default_prefix = "coco_panoptic"

    def __init__(
        self,
        ann_file: str | None = None,
        seg_prefix: str | None = None,
        classwise: bool = False,
        out_dir: str | os.PathLike | None = None,
        format_only: bool = False,
        backend_args: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if out_dir is not None and ann_file is None:
            raise UserError("out_dir needs ann_file: a server wants the category ids that only the JSON has")
        if format_only and out_dir is None:
            raise UserError("format_only=True needs out_dir: there is nothing else to do than to write predictions")
        self.truth: CocoPanopticTruth | None = None
        self.ann_file = ann_file
        self.seg_prefix = seg_prefix
        self.classwise = classwise
        self.submission = None if out_dir is None else PanopticSubmission(out_dir)
        self.format_only = format_only
        self.backend_args = backend_args

    @property
    def dataset_meta(self) -> dict | None:
        """The data set's metainfo. Setting it, which runners do before they train, reads the JSON.

        Raises:
            UserError: ``thing_classes`` and ``stuff_classes`` are not what the classes are made of, or the JSON is not
                of these classes.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        self._dataset_meta = meta
        self.classes: Sequence[str] = meta["classes"]
        self.things = thing_mask(meta)
        if self.ann_file is not None:
            self.truth = CocoPanopticTruth(self.ann_file, self.seg_prefix, meta, self.backend_args)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep of each image its counts, and its annotation if predictions are written."""
        for sample in data_samples:
            name = f"the prediction for {sample.get('img_path', sample.get('img_id'))}"
            if "pred_panoptic_seg" not in sample:
                raise UserError(f"{name} has no pred_panoptic_seg; does the model's test_cfg say panoptic_on=True?")
            prediction = read_panoptic(sample, len(self.classes))
            counts = annotation = None
            if not self.format_only:
                truth = self._true_segments(sample)
                png = sample["seg_map_path"] if self.truth is None else self.truth.png_path(sample["img_id"])
                counts = count_matches(prediction, truth, len(self.classes), (name, png)).pack()
            if self.submission is not None:
                image_id = sample["img_id"]
                annotation = self.submission.write_image(
                    image_id, self.truth.png_name(image_id), prediction, self.truth.category_ids
                )
            self.results.append((counts, annotation, self._identity(sample)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the numbers of all images, and write the JSON of predictions.

        Raises:
            UserError: two images were compared with the same truth, as images of two data sets with equal ids are.
        """
        self._check_identities([identity for *_, identity in results])
        if self.submission is not None:
            self.submission.write_json([annotation for _, annotation, _ in results])
            print_log(f"predictions written to {self.submission.json} and {self.submission.folder}/", logger="current")
        if self.format_only:
            return {}
        counts = PanopticCounts.unpack((counts for counts, *_ in results), len(self.classes))
        groups = {"all": counts.mean(), "things": counts.mean(self.things), "stuff": counts.mean(~self.things)}
        print_log(f"panoptic quality:\n{group_table(groups)}", logger="current")
        numbers: dict[str, float] = {}
        for quality, suffix in zip(groups.values(), ("", "_th", "_st")):
            numbers.update(group_numbers(quality, suffix))
        if self.classwise:
            print_log(f"panoptic quality by class:\n{class_table(counts, self.classes)}", logger="current")
            numbers.update(class_numbers(counts, self.classes))
        return numbers

    def _identity(self, sample: Mapping) -> tuple[Any, str | None]:
        """Return what the image's truth is found by, and what must be the same wherever that is the same."""
        if self.truth is not None:
            return sample["img_id"], sample.get("img_path")
        if self.seg_prefix is not None:
            return os.path.basename(sample["seg_map_path"]), sample["seg_map_path"]
        return None, None

    def _check_identities(self, identities: Sequence[tuple[Any, str | None]]) -> None:
        owners: dict[Any, str | None] = {}
        for key, path in identities:
            if owners.setdefault(key, path) != path:
                raise UserError(
                    f"{owners[key]} and {path} have the same truth, that of {key!r} in "
                    f"{self.ann_file or self.seg_prefix}: evaluate data sets one by one, each with its own ann_file"
                )

    def _true_segments(self, sample: Mapping) -> SegmentMap:
        if self.truth is None:
            return segments_of_sample(sample, self.seg_prefix, self.things, self.backend_args)
        return self.truth.segments(sample["img_id"])


def thing_mask(meta: Mapping) -> np.ndarray:
    """(K,) bool, whether a class is a thing, from a panoptic data set's metainfo.

    Raises:
        UserError: the metainfo does not say, or contradicts itself, or has more classes than mmdet can encode.
    """
    classes = list(meta["classes"])
    check_room("the data set", len(classes))
    if "thing_classes" not in meta:
        raise UserError("the data set's metainfo has no thing_classes: PanopticQualityMetric needs a panoptic data set")
    things = set(meta["thing_classes"])
    stuff = set(meta.get("stuff_classes", set(classes) - things))
    at_odds = (things & stuff) | ((things | stuff) ^ set(classes))
    if at_odds:
        raise UserError(
            f"the data set's metainfo has {len(things)} thing_classes and {len(stuff)} stuff_classes for "
            f"{len(classes)} classes, but every class must be in exactly one of the two; at odds: "
            f"{', '.join(sorted(map(repr, at_odds)))}"
        )
    return np.array([name in things for name in classes])
