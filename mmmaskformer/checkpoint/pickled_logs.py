"""The names that MMEngine's checkpoints use beside PyTorch's and NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

from .plain import Budget, Known, Refused, Standin, Unbuilt, printable

BUFFER = "mmengine.logging.history_buffer.HistoryBuffer"
METHODS = ("min", "max", "current", "mean")
FIELDS = {"max_length", "_log_history", "_count_history"}


class _Method(Standin):
    """A method of a history buffer, which has it anyway."""


class _Buffer(Unbuilt):
    """The history of a loss in MMEngine's message hub."""

    def __init__(self, budget: Budget) -> None:
        pass

    def build(self, budget: Budget, state: Any) -> HistoryBuffer:
        if type(state) is not dict or state.keys() - {"statistics_methods"} != FIELDS:
            raise Refused("it holds a HistoryBuffer in another way than MMEngine")
        logs, counts, longest = state["_log_history"], state["_count_history"], state["max_length"]
        methods = state.get("statistics_methods", {})
        if type(methods) is not dict or not all(isinstance(method, _Method) for method in methods.values()):
            raise Refused("it holds a HistoryBuffer with methods of its own")
        for values in (logs, counts):
            if type(values) is not np.ndarray or values.ndim != 1 or values.dtype.kind not in "biuf":
                raise Refused("it holds a HistoryBuffer whose history is not a row of numbers")
        if type(longest) is not int or longest < len(logs) or len(logs) != len(counts):
            raise Refused("it holds a HistoryBuffer whose lengths do not fit one another")
        budget.charge(512 + logs.nbytes + counts.nbytes)
        return HistoryBuffer(logs, counts, longest)


def _attribute(budget: Budget, owner: Any, name: Any) -> _Method:
    """``getattr``, which is how pickle spells a method."""
    if owner is not HISTORY_BUFFER or name not in METHODS:
        raise Refused(f"it asks for builtins.getattr of {printable(name)}")
    return _Method()


def _config(budget: Budget, items: Any) -> dict:
    """``ConfigDict``: metainfo from a config has it. A dict has the same entries."""
    if type(items) is not dict:
        raise Refused("it holds a ConfigDict of what is no dict")
    return items


HISTORY_BUFFER = Known(BUFFER, _Buffer)
LOGS: dict[str, Any] = {
    BUFFER: HISTORY_BUFFER,
    **{f"{BUFFER}.{name}": _Method() for name in METHODS},
    **{f"{module}.getattr": Known(f"{module}.getattr", _attribute) for module in ("builtins", "__builtin__")},
    "mmengine.config.config.ConfigDict": Known("mmengine.config.config.ConfigDict", _config),
}
