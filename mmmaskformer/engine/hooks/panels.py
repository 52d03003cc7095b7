"""Drawing the results of a test run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from mmmaskformer.coco.annotations import read_ids
from mmmaskformer.engine.output_names import OutputNames, image_loading
from mmmaskformer.registry import HOOKS
from mmmaskformer.sample_results import truth_of
from mmmaskformer.segments import ImageSegmentation, Instances
from mmmaskformer.visualization import ENDINGS, read_picture


@HOOKS.register_module()
class PanelWriterHook(Hook):
    """Draws image | truth | prediction of each test image, or an overlay where there is no truth.

    The run's visualizer, a :class:`mmmaskformer.visualization.SegmentationVisualizer`, draws and hands the pictures to
    its backends; on disk, they are in ``out_dir``. There they keep the image's path below its data set's image folder
    (see :class:`mmmaskformer.engine.OutputNames`): ``a.png`` shows the semantic prediction of ``a.jpg``,
    ``a_panoptic.png`` the panoptic one, ``a_instances.png`` the instances; each is there if the model predicts it.

    The truth is what the pipeline loads, or else what mmdet's data sets say about the image: panoptic segments, from
    which labels and instances follow, or instances.

    Args:
        out_dir: folder to write to.
    """

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Any) -> None:
        """Decides on names, and remembers where the data set keeps which image."""
        self.dataset = runner.test_dataloader.dataset
        self.names = OutputNames(self.dataset, [f"{ending}.png" for ending in ENDINGS.values()])
        self.loading = image_loading(self.dataset)
        runner.visualizer.dataset_meta = self.dataset.metainfo
        self.place = {self.dataset.get_data_info(i)["img_path"]: i for i in range(len(self.dataset))}

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Sequence[Any]) -> None:
        """Draws one batch."""
        for sample in outputs:
            path = sample.img_path
            image, out_file = read_picture(path, **self.loading), self.names.path(self.out_dir, path, ".png")
            runner.visualizer.add_datasample(
                self.names.name(path), image, sample, step=batch_idx, out_file=out_file, truth=self._truth(sample)
            )

    def _truth(self, sample: Any) -> ImageSegmentation:
        truth = truth_of(sample)
        if sample.img_path not in self.place:
            return truth
        known = self.dataset.get_data_info(self.place[sample.img_path])
        if known.get("segments_info") and known.get("seg_map_path"):
            truth = self._panoptic_truth(known)
        if truth.instances is None and any("mask" in instance for instance in known.get("instances", ())):
            truth = replace(truth, instances=listed_instances(known))
        return truth

    def _panoptic_truth(self, known: Mapping[str, Any]) -> ImageSegmentation:
        from mmmaskformer.det.panoptic_code import true_segments

        classes = self.dataset.metainfo["classes"]
        things = [name in self.dataset.metainfo["thing_classes"] for name in classes]
        ids = read_ids(known["seg_map_path"], self.loading.get("backend_args"))
        found = true_segments(ids, known["segments_info"], things)
        return ImageSegmentation(found.label_map(void=len(classes)), found, found.things())


def listed_instances(known: Mapping[str, Any]) -> Instances:
    """Return the true instances that mmdet's data sets list about an image, crowds left out."""
    from mmdet.datasets.transforms import LoadAnnotations

    instances = [instance for instance in known["instances"] if not instance.get("ignore_flag")]
    size = (known["height"], known["width"])
    loaded = LoadAnnotations(with_mask=True)(dict(known, instances=instances, ori_shape=size, img_shape=size))
    boxes = loaded["gt_bboxes"].tensor.numpy()
    return Instances(loaded["gt_bboxes_labels"], None, boxes, loaded["gt_masks"].to_ndarray().astype(bool))
