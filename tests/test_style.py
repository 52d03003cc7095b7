"""The linter and the formatter have nothing to say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(command: list[str]) -> None:
    pytest.importorskip("ruff")
    done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_test_asserts_something() -> None:
    asserting = re.compile(r"(assert|raises|refused|warns|fail)")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test in ast.walk(ast.parse(path.read_text())):
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                names = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(test)}
                found = any(isinstance(node, ast.Assert) for node in ast.walk(test))
                assert found or any(map(asserting.match, names)), f"{path}: {test.name}"
