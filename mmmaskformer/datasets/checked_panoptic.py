"""COCO's panoptic format as a data set for mmdet."""

from __future__ import annotations

import os

from mmdet.datasets import CocoPanopticDataset

from mmmaskformer.coco.panoptic_json import (
    Annotation,
    Image,
    annotations_by_image,
    check_class_lists,
    labels_of_categories,
    read_panoptic_json,
)
from mmmaskformer.datasets.missing_files import missing_files, require_folder
from mmmaskformer.errors import UserError
from mmmaskformer.files import is_remote
from mmmaskformer.registry import DATASETS


@DATASETS.register_module()
class CheckedPanopticDataset(CocoPanopticDataset):
    """mmdet's COCO panoptic data set, with errors that name file and value; without further arguments it is COCO's.

    On good files it gives the samples that mmdet's gives. It differs where that goes wrong without a word: the PNG of
    an image is the one that its annotation names, and no segment is left out for its box, which mmdet's own converter
    of ADE20K writes wrong for things.

    Files behind a remote ``backend_args`` are left to their backend.

    Args:
        **kwargs: as for ``mmdet.datasets.CocoPanopticDataset``; ``data_prefix`` has ``img`` and, where there is ground
            truth, ``seg``.

    Attributes:
        HINT: where the data come from, for the error of a missing folder or json.
    """

    HINT = ""

    def load_data_list(self) -> list[dict]:
        """List images with their segments.

        Raises:
            UserError: a folder, the json or a file that it names is missing; the json is wrong; or its categories are
                not those of ``metainfo``.
        """
        owner = type(self).__name__
        check_class_lists(self.metainfo, owner)
        local = not is_remote(self.backend_args)
        if local:
            if not os.path.isfile(self.ann_file):
                raise UserError(f"{owner}: panoptic json {self.ann_file} does not exist{self.HINT}")
            for folder in filter(None, (self.data_prefix.get("img"), self.data_prefix.get("seg"))):
                require_folder(owner, folder, self.HINT)
        panoptic = read_panoptic_json(self.ann_file, self.backend_args)
        self.cat2label = labels_of_categories(panoptic, self.metainfo, self.ann_file)
        self.cat_ids = list(self.cat2label)
        annotations = annotations_by_image(panoptic, self.ann_file)
        if self.data_prefix.get("seg") and not annotations:
            raise UserError(f"{owner}: {self.ann_file} has no annotations; leave data_prefix.seg out for test images")
        samples = [self._sample(image, annotations.get(image.id)) for image in panoptic.images]
        if local:
            self._check_files(samples)
        return samples

    def _sample(self, image: Image, annotation: Annotation | None) -> dict:
        segments = [] if annotation is None else annotation.segments_info
        things = len(self.metainfo["thing_classes"])
        instances, infos = [], []
        for segment in segments:
            label, crowd = self.cat2label[segment.category_id], bool(segment.iscrowd)
            is_instance = label < things and not crowd
            infos.append(dict(id=segment.id, category=label, is_thing=is_instance))
            if is_instance:
                if segment.bbox is None:
                    raise UserError(f"{self.ann_file}: segment {segment.id} of {annotation.file_name} has no bbox")
                x, y, width, height = segment.bbox
                instances.append(dict(bbox=[x, y, x + width, y + height], bbox_label=label, ignore_flag=0))
        seg_dir = self.data_prefix.get("seg")
        return dict(
            img_path=os.path.join(self.data_prefix["img"], image.file_name),
            img_id=image.id,
            seg_map_path=os.path.join(seg_dir, annotation.file_name) if seg_dir and annotation else None,
            height=image.height,
            width=image.width,
            instances=instances,
            segments_info=infos,
        )

    def _check_files(self, samples: list[dict]) -> None:
        for prefix, key, what in (("img", "img_path", "images"), ("seg", "seg_map_path", "panoptic PNGs")):
            paths = [sample[key] for sample in samples if sample[key]]
            missing = missing_files(paths, self.data_prefix[prefix]) if paths else []
            if missing:
                raise UserError(
                    f"{type(self).__name__}: {len(missing)} of {len(paths)} {what} of {self.ann_file} are missing, "
                    f"the first: {paths[missing[0]]}"
                )
