"""Reading label maps that do not fit into 8 bits."""

from __future__ import annotations

import mmcv
import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations

from mmmaskformer.errors import UserError
from mmmaskformer.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadWideAnnotations(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` for 16-bit files; that one keeps the lower 8 bits and says nothing.

    Adds ``gt_seg_map`` (H, W) uint16. Takes the same arguments, but does not know ``reduce_zero_label``.
    """

    def _load_seg_map(self, results: dict) -> None:
        path = results["seg_map_path"]
        if self.reduce_zero_label or results.get("reduce_zero_label"):
            raise UserError("LoadWideAnnotations has no reduce_zero_label: write label maps whose class 0 is 0")
        content = fileio.get(path, backend_args=self.backend_args)
        stored = mmcv.imfrombytes(content, flag="unchanged", backend=self.imdecode_backend)
        labels = stored.astype(np.uint16)
        label_map = results.get("label_map")
        if label_map is not None:
            table = np.arange(1 << 16, dtype=np.uint16)
            table[list(label_map)] = list(label_map.values())
            labels = table[labels]
        results["gt_seg_map"] = labels
        results["seg_fields"].append("gt_seg_map")
