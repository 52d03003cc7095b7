"""The conversion tool, called in this process, which has its slow imports behind it."""

import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "model_converters" / "convert.py"


def convert(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Calls the tool with these arguments."""
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
    runpy.run_path(str(TOOL), run_name="__main__")
