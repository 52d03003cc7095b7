"""The hook with which any config asks for the safeguards."""

from __future__ import annotations

from mmmaskformer.registry import HOOKS

from .dataset_meta import DatasetMetaCheckHook
from .ground_truth import GroundTruthCheckHook


@HOOKS.register_module()
class SafeguardsHook(DatasetMetaCheckHook, GroundTruthCheckHook):
    """Turns on :mod:`mmmaskformer.safeguards`, and checks data sets and ground truth while the run goes by.

    Runs of the tools have it, and runs whose config or model names a part of this package. For another run, write
    ``custom_hooks = [dict(type="mmmaskformer.SafeguardsHook")]`` in its config.
    """

    def __init__(self) -> None:
        from mmmaskformer import safeguards  # which is above, and gives Runners this hook

        DatasetMetaCheckHook.__init__(self)
        GroundTruthCheckHook.__init__(self)
        safeguards.install()
