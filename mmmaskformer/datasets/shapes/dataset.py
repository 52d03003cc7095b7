"""Shapes as a data set for mmseg."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmmaskformer.datasets.checks import CheckedSegDataset
from mmmaskformer.datasets.shapes.generate import PALETTE, ShapesOptions, generate_shapes
from mmmaskformer.datasets.shapes.scene import CLASSES
from mmmaskformer.errors import UserError
from mmmaskformer.registry import DATASETS


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
    MAKE_COMMAND = "python tools/dataset_converters/shapes.py --out data/shapes"

    def __init__(
        self,
        generate: Mapping[str, int] | None = None,
        img_suffix: str = ".png",
        seg_map_suffix: str = ".png",
        **kwargs,
    ) -> None:
        self.generate = None
        if generate is not None:
            if not kwargs.get("data_root"):
                raise UserError("ShapesDataset: generate needs data_root, the folder to make")
            unknown = set(generate) - set(ShapesOptions.__dataclass_fields__)
            if unknown:
                raise UserError(
                    f"ShapesDataset: generate has no option {sorted(unknown)}; it has "
                    f"{list(ShapesOptions.__dataclass_fields__)}"
                )
            self.generate = ShapesOptions(**generate)
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List images and label maps, drawing them first where ``generate`` asks for it."""
        if self.generate is not None:
            generate_shapes(Path(self.data_root), self.generate)
        return super().load_data_list()
