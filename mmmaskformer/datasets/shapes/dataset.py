"""Shapes as a data set for mmseg and for mmdet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmmaskformer.datasets.checks import CheckedSegDataset
from mmmaskformer.datasets.panoptic import CheckedPanopticDataset
from mmmaskformer.datasets.shapes.generate import PALETTE, ShapesOptions, generate_shapes
from mmmaskformer.datasets.shapes.scene import CLASSES, STUFF, THINGS
from mmmaskformer.errors import UserError
from mmmaskformer.registry import DATASETS

MAKE_COMMAND = "python tools/dataset_converters/shapes.py --out data/shapes"


@DATASETS.register_module()
class ShapesDataset(CheckedSegDataset):
    """The data set that the package draws itself: five things in front of five textures.

    Args:
        generate: options of :class:`ShapesOptions`. When given, ``data_root`` is made, or made anew if it came from
            other options, before it is read; when None, it must be there.
        img_suffix: ending of the images' names.
        seg_map_suffix: ending of the label maps' names.
        **kwargs: as for ``mmseg.datasets.BaseSegDataset``.
    """

    METAINFO = {"classes": CLASSES, "palette": PALETTE}
    MAKE_COMMAND = MAKE_COMMAND

    def __init__(
        self,
        generate: Mapping[str, int] | None = None,
        img_suffix: str = ".png",
        seg_map_suffix: str = ".png",
        **kwargs,
    ) -> None:
        self.generate = options_to_draw("ShapesDataset", generate, kwargs.get("data_root"))
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List images and label maps, drawing them first where ``generate`` asks for it."""
        if self.generate is not None:
            generate_shapes(Path(self.data_root), self.generate)
        return super().load_data_list()


@DATASETS.register_module()
class ShapesPanopticDataset(CheckedPanopticDataset):
    """The very same pictures for mmdet, with every thing a segment of its own.

    Args:
        generate: as for :class:`ShapesDataset`, with which one folder serves both.
        **kwargs: as for :class:`CheckedPanopticDataset`.
    """

    METAINFO = {"classes": CLASSES, "thing_classes": THINGS, "stuff_classes": STUFF, "palette": PALETTE}
    HINT = f"; make it with: {MAKE_COMMAND}"

    def __init__(self, generate: Mapping[str, int] | None = None, **kwargs) -> None:
        self.generate = options_to_draw("ShapesPanopticDataset", generate, kwargs.get("data_root"))
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """List images with their segments, drawing them first where ``generate`` asks for it."""
        if self.generate is not None:
            generate_shapes(Path(self.data_root), self.generate)
        return super().load_data_list()


def options_to_draw(owner: str, generate: Mapping[str, int] | None, data_root: str | None) -> ShapesOptions | None:
    """What a data set's ``generate`` asks to draw; None where it asks for nothing.

    Raises:
        UserError: an option that does not exist or cannot be, or no folder to draw into.
    """
    if generate is None:
        return None
    if not data_root:
        raise UserError(f"{owner}: generate needs data_root, the folder to make")
    known = list(ShapesOptions.__dataclass_fields__)
    unknown = sorted(set(generate) - set(known))
    if unknown:
        raise UserError(f"{owner}: generate has no option {unknown}; it has {known}")
    return ShapesOptions(**generate)
