"""Gives tools panoptic and instance JSON that was tampered with, in COCO's formats.

Each case changes one to three values or entries, or the text of a file, and evaluates predictions, converts truth or
tests a model. The tool must count as the values say, or refuse in one line and leave no file.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coco_files import IMAGES, SEGMENTS, SIZE, instance_content, panoptic_content, write_sound
from foreign_cases import Context, check_refused, expect, run_from_command_line
from fuzz_hf_config import bad_value, leaves, tampered_text
from pycocotools.coco import COCO

EVALUATE, CONVERT, TEST = (
    "analysis_tools/evaluate_panoptic.py",
    "dataset_converters/panoptic_to_instances.py",
    "test.py",
)
WAYS = [("truth", EVALUATE), ("truth", CONVERT), ("truth", TEST), ("prediction", EVALUATE), ("instances", TEST)]


@functools.cache
def sound() -> tempfile.TemporaryDirectory:
    """A folder with sound files, which is removed at the end."""
    folder = tempfile.TemporaryDirectory()
    write_sound(Path(folder.name))
    return folder


def case(context: Context) -> str:
    """One file, tampered with and given to one tool."""
    rng, folder = context.rng, context.folder / "data"
    shutil.copytree(sound().name, folder)
    for config in folder.glob("*.py"):
        # MMEngine names a run by its config and the second, and runs of one name are one to it.
        path = folder / f"{config.stem}_{context.folder.name}.py"
        path.write_text(config.read_text().replace(sound().name, str(folder)))
    (name, tool), sort = rng.choice(WAYS), rng.choice(["value", "value", "entry", "good", "text"])
    text = json.dumps(instance_content() if name == "instances" else panoptic_content()).encode()
    content = json.loads(text)
    if sort == "text":
        text = tampered_text(rng, text)
    else:
        for _ in range(rng.randint(1, 3)):
            if sort == "good":
                rng.choice(HARMLESS if name != "instances" else HARMLESS_INSTANCES)(rng, content)
            elif sort == "entry":
                change_entry(rng, content)
            else:
                owner, key = rng.choice(leaves(content))
                owner[key] = (
                    nearby_value(rng, owner[key]) if rng.random() < 0.5 else bad_value(rng, context.canary.code)
                )
        text = json.dumps(content, indent=rng.choice([None, 2])).encode()
    (folder / f"{name}.json").write_bytes(text)
    outcome = RUN[tool](context, folder, name, sort == "good")
    kind = "instance" if name == "instances" else "panoptic"
    return f"{kind} {sort}: {outcome}"


def evaluate(context: Context, folder: Path, name: str, is_good: bool) -> str:
    """Counts predictions against truth."""
    out = context.folder / "out"
    jsons = folder / "truth.json", folder / "prediction.json"
    outcome = context.call(EVALUATE, *jsons, "--json", out / "numbers.json")
    if outcome.status:
        expect(not is_good, f"sound files are refused: {outcome.errors}")
        check_refused(outcome, out)
        return "refused"
    numbers = json.loads((out / "numbers.json").read_text())
    check_numbers(numbers, is_good)
    return "evaluated"


def convert(context: Context, folder: Path, name: str, is_good: bool) -> str:
    """Derives instances from panoptic truth, which pycocotools must then read."""
    out = context.folder / "out"
    outcome = context.call(CONVERT, folder / "truth.json", folder / "truth", out / "instances.json")
    if outcome.status:
        expect(not is_good, f"sound files are refused: {outcome.errors}")
        check_refused(outcome, out)
        return "refused"
    expect([path.name for path in out.iterdir()] == ["instances.json"], "other files are left")
    with contextlib.redirect_stdout(io.StringIO()):  # it reports what it does
        coco = COCO(out / "instances.json")
    for annotation in coco.anns.values():
        expect(coco.annToMask(annotation).shape == SIZE, "a mask has another size")
        expect(annotation["category_id"] in coco.cats, "an annotation has no category")
    expect(not is_good or len(coco.anns) == len(SEGMENTS) * len(IMAGES), "instances are lost or invented")
    return "evaluated"


def test(context: Context, folder: Path, name: str, is_good: bool) -> str:
    """Tests a model that knows the truth."""
    config = folder / f"{'instances' if name == 'instances' else 'panoptic'}_{context.folder.name}.py"
    outcome = context.call(TEST, config, folder / "oracle.pth", "--work-dir", context.folder / "work")
    if outcome.status:
        expect(not is_good, f"sound files are refused: {outcome.errors}")
        check_refused(outcome, context.folder / "nothing")
        return "refused"
    (written,) = (context.folder / "work").glob("*/*.json")
    numbers = json.loads(written.read_text())
    check_numbers({key: value for key, value in numbers.items() if key.startswith("coco")}, is_good)
    return "evaluated"


RUN: dict[str, Callable[[Context, Path, str, bool], str]] = {EVALUATE: evaluate, CONVERT: convert, TEST: test}


def check_numbers(numbers: dict[str, float], is_good: bool) -> None:
    """Raises ``Failure`` unless they are shares, in percent or not, and those of a right prediction for sound files."""
    expect(all(value != value or -1 <= value <= 100 + 1e-9 for value in numbers.values()), f"numbers: {numbers}")
    # AP is -1 where there are no objects of a size.
    wrong = {key: value for key, value in numbers.items() if value not in (100.0, 1.0, -1.0)}
    expect(not is_good or (numbers and not wrong), f"a right prediction has {wrong}")


def change_entry(rng: random.Random, content: dict[str, Any]) -> None:
    """Removes, renames, repeats or exchanges an entry of a list or mapping."""
    owner, key = rng.choice([place for place in leaves(content) if place[0] is not content or rng.random() < 0.3])
    sort = rng.choice(["remove", "remove", "rename", "repeat", "exchange"])
    if sort == "remove":
        del owner[key]
    elif sort == "rename" and isinstance(owner, dict):
        owner[f"{key}_"] = owner.pop(key)
    elif sort == "repeat" and isinstance(owner, list):
        owner.insert(key, copy.deepcopy(owner[key]))
    else:
        other, place = rng.choice(leaves(content))
        owner[key] = copy.deepcopy(other[place])


def nearby_value(rng: random.Random, value: Any) -> Any:
    """A value of the same type, most of the time, that something else in the file may have."""
    if isinstance(value, str):
        changed = [value[:-1], value + "0", value * 2, "\ud800", "x" * 5000]
        return rng.choice(["person", "car", "sky", "4.png", "9.png", "4.jpg", "../4.png", "/4.png", "a\0b", *changed])
    if isinstance(value, int | float):
        changed = [value + 1, -value, value * 2, value / 2, str(value)]
        return rng.choice([7, 3, 92, 4, 9, 300, 70_000, 2**24, 2**31, *changed])
    return [] if isinstance(value, list) else {}


def add_key(rng: random.Random, content: dict[str, Any]) -> None:
    """Something that the format does not know."""
    owner, _ = rng.choice([place for place in leaves(content) if isinstance(place[0], dict)])
    owner["date_captured"] = rng.choice([None, 0.5, "2013-11-14", [1, {"a": "b"}]])


def shuffle(rng: random.Random, content: dict[str, Any]) -> None:
    """Another order of images and annotations."""
    rng.shuffle(content["images"])
    rng.shuffle(content["annotations"])


def drop_optional(rng: random.Random, content: dict[str, Any]) -> None:
    """Without what need not be there."""
    content.pop("info", None)
    for owner in (*content["categories"], *content["images"]):
        owner.pop(rng.choice(["supercategory", "coco_url"]), None)
    for annotation in content["annotations"]:
        for segment in annotation.get("segments_info", []):
            segment.pop("area", None)
            if not segment.get("iscrowd"):
                segment.pop("iscrowd", None)


def as_booleans(rng: random.Random, content: dict[str, Any]) -> None:
    """Flags as true and false."""
    for owner, key in leaves(content):
        if key in ("iscrowd", "isthing"):
            owner[key] = bool(owner[key])


def as_floats(rng: random.Random, content: dict[str, Any]) -> None:
    """Boxes in fractions of pixels."""
    for owner, key in leaves(content):
        if key == "bbox":
            owner[key] = [float(side) for side in owner[key]]


HARMLESS = [add_key, shuffle, drop_optional, as_booleans, as_floats]
HARMLESS_INSTANCES = [add_key, shuffle, as_booleans, as_floats]


def main() -> None:
    run_from_command_line(case, __doc__)


if __name__ == "__main__":
    main()
