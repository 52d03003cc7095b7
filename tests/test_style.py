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


# Words of literature, of which plain ones exist; and "one row a class", which is "one row per class".
LITERARY = re.compile(
    r"\b(nobody|whoever|somebody|anybody|mend(?:ed|s)?|told|shall|hence|lest|thereof|for want of)\b"
    r"|\b(?:label|row|line|query|mask|number|seconds?|worker|thread|function|instance|images?|one|segments)"
    r" an? (?:pixel|class|row|query|segment|image|core|reason|iteration|second|group)\b",
    re.IGNORECASE,
)


def test_the_words_are_plain() -> None:
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    files += [path for name in ("mmmaskformer", "tools", "configs") for path in (ROOT / name).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        if ".mim" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LITERARY.search(line)
    ]
    assert len(files) > 100 and not found, "\n".join(found)
