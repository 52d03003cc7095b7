"""Penn-Fudan: pedestrians in 170 street scenes (Wang et al., ACCV 2007), in COCO's panoptic format."""

from __future__ import annotations

from mmmaskformer.datasets.checked_panoptic import CheckedPanopticDataset
from mmmaskformer.registry import DATASETS


@DATASETS.register_module()
class PennFudanDataset(CheckedPanopticDataset):
    """One thing, ``person``, and one stuff class, ``background``: every pixel that is not a person.

    Args:
        **kwargs: as for :class:`CheckedPanopticDataset`.
    """

    METAINFO = {
        "classes": ("person", "background"),
        "thing_classes": ("person",),
        "stuff_classes": ("background",),
        "palette": [(220, 20, 60), (96, 96, 96)],
    }
    HINT = (
        "; expected panoptic_SPLIT.json beside images/SPLIT and panoptic/SPLIT, in data/pennfudan or where "
        "PENNFUDAN_ROOT says"
    )
