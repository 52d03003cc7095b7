"""What the data sets here check, so that a bad file is named instead of failing far from its cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.datasets import BaseSegDataset

from mmmaskformer.datasets.missing_files import missing_files, require_folder
from mmmaskformer.errors import UserError
from mmmaskformer.files import is_remote
from mmmaskformer.registry import DATASETS


@DATASETS.register_module()
class CheckedSegDataset(BaseSegDataset):
    """mmseg's data set with errors that name folder, file and value.

    Missing or empty folders, images without a label map, and labels that are neither a class nor the ignore index.
    Files behind a remote ``backend_args`` are left to their backend.

    Args:
        label_values: the value of each class in the files, where it is not the class's number: ``(0, 255)`` for masks
            of 0 and 255. All other values are refused. mmseg's ``LoadAnnotations`` makes the numbers of them.
        **kwargs: as for ``mmseg.datasets.BaseSegDataset``.

    Attributes:
        MAKE_COMMAND: the command that makes the folder, for the error of a missing one.
    """

    MAKE_COMMAND = ""

    def __init__(self, *, label_values: Sequence[int] | None = None, **kwargs: Any) -> None:
        self.label_values = None if label_values is None else list(label_values)
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """List images and label maps.

        Raises:
            UserError: a folder is missing or holds no image, an image has no label map, or ``label_values`` do not fit
                the classes.
        """
        samples = self._list_samples()
        if self.label_values is not None:
            label_map = self._label_map_of_values(self.label_values)
            for sample in samples:
                sample["label_map"] = label_map
        return samples

    def _list_samples(self) -> list[dict]:
        if is_remote(self.backend_args):
            return super().load_data_list()
        image_dir, label_dir = self.data_prefix.get("img_path"), self.data_prefix.get("seg_map_path")
        for folder in filter(None, (image_dir, label_dir)):
            require_folder(type(self).__name__, folder, self._how_to_make())
        samples = super().load_data_list()
        if not samples:
            raise UserError(
                f"{type(self).__name__}: no '*{self.img_suffix}' in {image_dir} (data_root {self.data_root!r})"
                f"{self._how_to_make()}"
            )
        if label_dir:
            self._check_every_image_has_labels(samples, label_dir)
        return samples

    def prepare_data(self, idx: int) -> Any:
        """One sample through the pipeline.

        Raises:
            UserError: the label map holds a value that is no class.
        """
        sample = super().prepare_data(idx)
        if isinstance(sample, dict):
            self._check_labels(sample)
        return sample

    def _label_map_of_values(self, values: list[int]) -> dict[int, int]:
        """Return new labels of values in the files; those of no class get one that :meth:`_check_labels` refuses."""
        owner, count = type(self).__name__, len(self.metainfo["classes"])
        if len(values) != count or len(set(values)) != count:
            raise UserError(f"{owner}: label_values={values} must be {count} different values, one per class")
        if self.reduce_zero_label or self.label_map:
            raise UserError(f"{owner}: label_values cannot be combined with reduce_zero_label or a choice of classes")
        no_class = 254 if self.ignore_index != 254 else 253
        if count > no_class:
            raise UserError(f"{owner}: label_values is for up to {no_class} classes, this data set has {count}")
        return {value: no_class for value in range(count)} | {value: label for label, value in enumerate(values)}

    def _how_to_make(self) -> str:
        return f"; make it with: {self.MAKE_COMMAND}" if self.MAKE_COMMAND else ""

    def _check_every_image_has_labels(self, samples: list[dict], label_dir: str) -> None:
        missing = missing_files([sample["seg_map_path"] for sample in samples], label_dir)
        if missing:
            first = samples[missing[0]]
            raise UserError(
                f"{type(self).__name__}: {len(missing)} of {len(samples)} images have no label map, the first: "
                f"{first['img_path']} lacks {first['seg_map_path']}"
            )

    def _check_labels(self, sample: dict) -> None:
        data_samples = sample.get("data_samples")
        # Test-time augmentation gives a list of the same image's variants.
        data_sample = data_samples[0] if isinstance(data_samples, list) else data_samples
        if data_sample is None or "gt_sem_seg" not in data_sample:
            return
        labels, classes = data_sample.gt_sem_seg.data, len(self.metainfo["classes"])
        wrong = ((labels >= classes) | (labels < 0)) & (labels != self.ignore_index)
        if wrong.any() and self.label_values is not None:
            raise UserError(
                f"{data_sample.get('seg_map_path')}: values that are none of label_values={self.label_values} and not "
                f"the ignore index {self.ignore_index}"
            )
        if wrong.any():
            values = labels[wrong].unique().tolist()
            raise UserError(
                f"{data_sample.get('seg_map_path')}: labels {values[:10]} after loading; expected 0..{classes - 1} "
                f"({classes} classes) or the ignore index {self.ignore_index}"
            )
