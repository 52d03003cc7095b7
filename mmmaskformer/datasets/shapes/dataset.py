"""Shapes as a data set for mmseg and for mmdet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmmaskformer.datasets.checked_panoptic import CheckedPanopticDataset
from mmmaskformer.datasets.checked_semantic import CheckedSegDataset
from mmmaskformer.datasets.shapes.generate import ShapesOptions, generate_shapes
from mmmaskformer.datasets.shapes.scene import CLASSES, THINGS
from mmmaskformer.datasets.shapes.vocabulary import PLAIN, STUFF, VOCABULARIES
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

    METAINFO = {"classes": CLASSES, "palette": PLAIN.palette}
    VOCABULARY = "plain"
    MAKE_COMMAND = MAKE_COMMAND

    def __init__(
        self,
        generate: Mapping[str, int] | None = None,
        img_suffix: str = ".png",
        seg_map_suffix: str = ".png",
        **kwargs,
    ) -> None:
        self.generate = options_to_draw(type(self).__name__, generate, kwargs.get("data_root"), self.VOCABULARY)
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List images and label maps, drawing them first where ``generate`` asks for it."""
        if self.generate is not None:
            generate_shapes(Path(self.data_root), self.generate)
        return super().load_data_list()


@DATASETS.register_module()
class LongTailedShapesDataset(ShapesDataset):
    """Shapes with 125 classes: 120 things by outline, hue and pattern, most of them rare, and stuff.

    Args:
        **kwargs: as for :class:`ShapesDataset`.
    """

    VOCABULARY = "long-tailed"
    METAINFO = {"classes": VOCABULARIES[VOCABULARY].classes, "palette": VOCABULARIES[VOCABULARY].palette}
    MAKE_COMMAND = f"{MAKE_COMMAND}-long-tailed --vocabulary {VOCABULARY}"


@DATASETS.register_module()
class ShapesPanopticDataset(CheckedPanopticDataset):
    """The very same pictures for mmdet, with every thing a segment of its own.

    Args:
        generate: as for :class:`ShapesDataset`, with which one folder serves both.
        **kwargs: as for :class:`CheckedPanopticDataset`.
    """

    METAINFO = {"classes": CLASSES, "thing_classes": THINGS, "stuff_classes": STUFF, "palette": PLAIN.palette}
    HINT = f"; make it with: {MAKE_COMMAND}"

    def __init__(self, generate: Mapping[str, int] | None = None, **kwargs) -> None:
        self.generate = options_to_draw("ShapesPanopticDataset", generate, kwargs.get("data_root"), "plain")
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """List images with their segments, drawing them first where ``generate`` asks for it."""
        if self.generate is not None:
            generate_shapes(Path(self.data_root), self.generate)
        return super().load_data_list()


def options_to_draw(
    owner: str, generate: Mapping[str, int] | None, data_root: str | None, vocabulary: str
) -> ShapesOptions | None:
    """Return what a data set's ``generate`` asks to draw; None where it asks for nothing.

    Raises:
        UserError: an option that does not exist or cannot be, or no folder to draw into.
    """
    if generate is None:
        return None
    if not data_root:
        raise UserError(f"{owner}: generate needs data_root, the folder to make")
    known = [name for name in ShapesOptions.__dataclass_fields__ if name != "vocabulary"]
    unknown = sorted(set(generate) - set(known))
    if unknown:
        raise UserError(f"{owner}: generate has no option {unknown}; it has {known}")
    return ShapesOptions(**generate, vocabulary=vocabulary)
