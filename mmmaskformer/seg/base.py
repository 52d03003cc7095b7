"""What every decode head of ours tells mmseg, and how it reads the backbone's outputs."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.structures import SegDataSample
from torch import Tensor

from mmmaskformer.batches import padding_of, sample_name
from mmmaskformer.errors import UserError
from mmmaskformer.labels import check_ignore_index
from mmmaskformer.structures import SegmentTargets

from .samples import check_class_count, padded_size, stacked_label_maps


class SemanticHead:
    """Mixed into a core module, makes it a decode head of mmseg's EncoderDecoder and of our segmentor.

    A head calls :meth:`read_inputs` in its constructor and has ``num_classes``.
    """

    align_corners = False
    num_classes: int
    mask_padding = False

    def read_inputs(
        self, in_channels: Sequence[int], in_index: Sequence[int] | None, strides: Sequence[int], ignore_index: int
    ) -> None:
        """Keep which backbone outputs to read and what void is.

        Raises:
            UserError: ``in_index`` and ``in_channels`` name different numbers of stages.
            UserError: ``ignore_index`` is a class.
        """
        check_ignore_index(type(self).__name__, ignore_index, self.num_classes)
        self.in_index = list(range(len(in_channels))) if in_index is None else list(in_index)
        if len(self.in_index) != len(in_channels):
            raise UserError(
                f"{type(self).__name__}: in_index={self.in_index} and in_channels={list(in_channels)} name different "
                "numbers of stages"
            )
        self.strides = list(strides)
        self.ignore_index = ignore_index

    @property
    def out_channels(self) -> int:
        """Channels of ``predict``'s scores, for EncoderDecoder."""
        return self.num_classes

    def check_dataset_meta(self, metainfo: dict) -> None:
        """Refuse a data set with another number of classes (called before a run's first iteration)."""
        check_class_count(type(self).__name__, self.num_classes, metainfo)

    def select(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the backbone's outputs that this head reads, finest first."""
        return [features[index] for index in self.in_index]

    def input_size(self, features: Sequence[Tensor], metas: Sequence[dict]) -> tuple[int, int]:
        """(H, W) of the padded input that these backbone outputs come from."""
        return padded_size(metas, self.select(features), self.strides)

    def input_padding(self, features: Sequence[Tensor], metas: Sequence[dict] | None) -> Tensor | None:
        """(B, H, W) bool, True on padding; None if the head does not ask for it or it is not known."""
        if not self.mask_padding or metas is None:
            return None
        return padding_of(metas, self.input_size(features, metas), features[0].device)

    def semantic_targets(self, samples: Sequence[SegDataSample]) -> tuple[Tensor, SegmentTargets]:
        """Label maps (B, H, W) and their segments.

        Raises:
            UserError: a sample without ground truth, or a label out of range, with its value and file.
        """
        maps = stacked_label_maps(samples).long()
        names = [sample_name(sample.metainfo) for sample in samples]
        return maps, SegmentTargets.from_semantic_maps(maps, self.num_classes, self.ignore_index, names)
