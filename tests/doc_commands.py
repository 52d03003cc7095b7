"""The commands that the documentation shows, as the shell would run them."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Programs that only write down what they are called with; the launchers call them in turn, as they do the real ones.
RECORDER = '#!/bin/sh\n{ printf "%s\\0" "$0" "$@"; printf "\\n"; } >>"$RECORD"\n'
BASH = """#!/bin/sh
case "$1" in
*tools/dist_*.sh | *tools/slurm_*.sh) exec /bin/bash "$@" ;;
*) { printf "%s\\0" "$0" "$@"; printf "\\n"; } >>"$RECORD" ;;
esac
"""
PROLOGUE = "command_not_found_handle() { :; }\ncd() { :; }\n"


@dataclass(frozen=True)
class Command:
    """One call of a tool.

    Attributes:
        page: the page that shows it, for messages.
        tool: path below the repository.
        arguments: of the tool.
    """

    page: str
    tool: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.tool} {' '.join(self.arguments)}"

    @property
    def shows_the_usage(self) -> bool:
        """Whether its arguments are placeholders."""
        return any(word.startswith("[") or word == "CONFIG" for word in self.arguments)


def blocks(page: Path, language: str) -> list[str]:
    """The page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def inline_commands(page: Path) -> list[str]:
    """The calls of tools within the page's sentences and tables."""
    outside = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`((?:python|bash) tools/[^`]+)`", outside)


@cache
def commands() -> list[Command]:
    """Every call of a tool on all pages, with variables, loops, quotes and continued lines resolved by bash itself."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(folder, "bin")
        programs.mkdir()
        for name, text in dict.fromkeys(("python", "srun", "pip", "mim"), RECORDER).items() | {("bash", BASH)}:
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (programs / "dirname").symlink_to("/usr/bin/dirname")
        (Path(folder) / "tools").symlink_to(ROOT / "tools")
        (Path(folder) / "configs").symlink_to(ROOT / "configs")
        for page in PAGES:
            record = Path(folder, "record")
            for block in [*blocks(page, "bash"), *inline_commands(page)]:
                record.write_text("")
                subprocess.run(
                    ["/bin/bash", "-c", PROLOGUE + block],
                    cwd=folder,
                    env={"PATH": str(programs), "RECORD": str(record)},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=60,
                )
                found += [c for line in record.read_text().split("\0\n") for c in _calls(page, line.split("\0"))]
    return found


def _calls(page: Path, words: list[str]) -> list[Command]:
    """The tool that a recorded call names last: launchers name the tool that they start after themselves."""
    places = [place for place, word in enumerate(words) if re.search(r"(^|/)(?<!tests/)tools/[\w/]+\.(py|sh)$", word)]
    if not places:
        return []
    tool = re.sub(r".*?(?=tools/)", "", words[places[-1]], count=1)
    return [Command(str(page.relative_to(ROOT)), tool, tuple(words[places[-1] + 1 :]))]
