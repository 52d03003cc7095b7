"""Converts Hugging Face models whose ``config.json`` and ``preprocessor_config.json`` were tampered with.

Each case changes one to three values, nested ones included, or the text of a file, and calls
``tools/model_converters/convert.py``. It must convert as the values say, or refuse in one line.
"""

from __future__ import annotations

import functools
import json
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import torch
from foreign_cases import Context, check_refused, expect, run_from_command_line
from mmengine.config import Config
from small_models import small_model, write_small_hf

from mmmaskformer.checkpoint.convert import to_ours
from mmmaskformer.checkpoint.formats import read_checkpoint

TOOL = "model_converters/convert.py"
GOOD = {
    "no_object_weight": [0.1, 0, 1, 0.25],
    "cross_entropy_weight": [1, 2.5],
    "mask_weight": [20.0, 5],
    "dice_weight": [1.0, 3],
    "dropout": [0.0, 0.2],
    "decoder_attention_heads": [1, 2, 8],
    "rescale_factor": [1 / 255, 1 / 127.5, 1],
    "image_mean": [[0.5, 0.4, 0.3], 0.5],
    "image_std": [[0.2, 0.3, 0.4], 0.25],
    "size_divisor": [0, 32, 1, None],
    "shortest_edge": [64, 1],
    "longest_edge": [128, 16384],
}


@functools.cache
def original() -> dict[str, bytes]:
    """The files of a sound model."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in write_small_hf(Path(folder)).iterdir()}


def case(context: Context) -> str:
    """One model, tampered with."""
    rng, folder = context.rng, context.folder
    name = rng.choice(["config.json", "config.json", "preprocessor_config.json"])
    files = dict(original())
    documents = {key: json.loads(value) for key, value in files.items() if key.endswith(".json")}
    sort = rng.choice(["value", "value", "value", "good", "text"])
    if sort == "text":
        files[name] = tampered_text(rng, files[name])
    else:
        for _ in range(rng.randint(1, 3)):
            change = give_good_value if sort == "good" else give_bad_value
            change(rng, documents[rng.choice(list(documents))], context.canary.code)
        files.update({key: json.dumps(value).encode() for key, value in documents.items()})
    (folder / "hub").mkdir()
    (folder / "out").mkdir()
    for key, content in files.items():
        (folder / "hub" / key).write_bytes(content)
    outcome = context.call(TOOL, folder / "hub", folder / "out" / "ours.pth")
    if outcome.status:
        expect(sort != "good", f"a sound model is refused: {outcome.errors}")
        check_refused(outcome, folder / "out")
        return f"{sort}: refused"
    check_converted(folder, *({} if sort == "text" else documents[key] for key in sorted(documents)))
    return f"{sort}: converted"


def check_converted(folder: Path, config: dict[str, Any], preprocessor: dict[str, Any]) -> None:
    """Raises ``Failure`` unless both files are there, the config runs no code, and says what theirs said."""
    written = sorted(path.name for path in (folder / "out").iterdir())
    expect(written == ["ours.pth", "ours.py"], f"{written} is written")
    saved = torch.load(folder / "out" / "ours.pth", weights_only=True)
    sound = small_model().weights
    expect(saved["state_dict"].keys() == sound.keys(), "other weights")
    expect(all(torch.equal(saved["state_dict"][key], value) for key, value in sound.items()), "weights have changed")
    ours = Config.fromfile(folder / "out" / "ours.py")  # runs it, as training does
    expect(ours.to_dict() == to_ours(read_checkpoint(folder / "hub")).config.to_dict(), "the config has changed")
    head, pixels = ours.model.decode_head, ours.model.data_preprocessor
    decoder, resize = config.get("decoder_config") or {}, ours.test_pipeline[1]
    size, factor = preprocessor.get("size"), preprocessor.get("rescale_factor", 1 / 255)
    size = size if isinstance(size, dict) else {}
    loss = head.criterion
    for said, found in (
        (config.get("no_object_weight"), loss.class_loss.no_object_weight),
        (config.get("cross_entropy_weight"), loss.class_loss.loss_weight),
        (config.get("mask_weight"), loss.mask_losses[0].loss_weight),
        (config.get("dice_weight"), loss.mask_losses[1].loss_weight),
        (decoder.get("decoder_attention_heads"), head.transformer_decoder.num_heads),
        (decoder.get("dropout"), head.transformer_decoder.dropout),
        (size.get("shortest_edge"), resize.scale),
        (size.get("longest_edge"), resize.max_size),
        (preprocessor.get("size_divisor") or None, (pixels.get("test_cfg") or {}).get("size_divisor")),
    ):
        expect(said in (None, found) and math.isfinite(found or 0), f"their {said!r} became {found!r}")
    for key in (
        ("mean", "std") if preprocessor.get("do_normalize", True) and preprocessor.get("do_rescale", True) else ()
    ):
        said = preprocessor.get(f"image_{key}")
        for channel, found in enumerate(pixels[key]):
            own = said[channel] if isinstance(said, list) else said
            expect(own is None or math.isclose(own / factor, found, rel_tol=1e-5), f"{key} {said} became {pixels[key]}")
    names = saved["meta"]["dataset_meta"]["classes"] if "dataset_meta" in saved["meta"] else []
    expect(all(isinstance(name, str) and name.isprintable() for name in names), f"names are {names!r}")


def give_good_value(rng: random.Random, document: dict[str, Any], code: str) -> None:
    """Changes a value to another one that is right."""
    places = [(owner, key) for owner, key in leaves(document) if key in GOOD]
    owner, key = rng.choice(places)
    owner[key] = rng.choice(GOOD[key])


def give_bad_value(rng: random.Random, document: dict[str, Any], code: str) -> None:
    """Changes a value, or a mapping, to one of another type or without bounds, or renames it."""
    owner, key = rng.choice(list(leaves(document)))
    if isinstance(owner, dict) and rng.random() < 0.1:
        owner[f"{key}', {code}: '"] = owner.pop(key)
        return
    owner[key] = bad_value(rng, code)


def bad_value(rng: random.Random, code: str) -> Any:
    """A value that is hostile, absurd or merely of another type."""
    hostile = {"a': 0, 'b": {"c": 1}, f"a': 0, 'b': {code}, 'c": 1, f"x={code}": 2}
    deep: Any = 1
    for _ in range(rng.choice([5, 200])):
        deep = [deep] if rng.random() < 0.5 else {"d": deep}
    return rng.choice(
        [
            hostile,
            {"type": "os.system", "command": code},
            [hostile, code],
            code,
            f"'\n{code}\n#",
            f'"""+{code}+"""',
            "{{ $HOME:x }}",
            "../../etc/passwd",
            "name\nwith a line",
            "\x1b[2J\x00",
            "\ud800",
            "n" * 100_000,
            "",
            deep,
            [],
            {},
            [[1, 2], 3],
            None,
            True,
            False,
            0,
            -1,
            0.5,
            -0.0,
            10**9,
            10**400,
            1e308,
            math.nan,
            math.inf,
            -math.inf,
            list(range(3)),
            [0.5, 0.5],
            [0.5, "x", 0.5],
            [0, 0, 0],
            {"0": code, "1": "b\nc", "2": "d"},
            {"0": "a", "1": "b", "2": "c", "x": "d"},
            {"height": 64, "width": 64},
        ]
    )


def tampered_text(rng: random.Random, text: bytes) -> bytes:
    """The file with its text changed."""
    changes = [
        lambda: text[: rng.randrange(len(text))],
        lambda: text.replace(b"{", b'{"mask_weight": 1, "mask_weight": 2, ', 1),
        lambda: b"[" * 100_000,
        lambda: b'{"a":' * 5000 + b"1" + b"}" * 5000,
        lambda: text.replace(b": 1.0", b": NaN").replace(b": 0.1", b": -Infinity"),
        lambda: text.replace(b": 1.0", b": 1e999"),
        lambda: text.replace(b": 1.0", b": " + b"9" * 5000),
        lambda: b"\xff\xfe" + text,
        lambda: b"\xef\xbb\xbf" + text,
        lambda: text.replace(b'"', b"'"),
        lambda: b"",
        lambda: b"[]",
        lambda: b"null",
        lambda: b" " * (17 << 20) + text,
        lambda: bytes(rng.randrange(256) for _ in range(200)),
    ]
    if rng.random() < 0.3:
        place = rng.randrange(len(text))
        return text[:place] + bytes([rng.randrange(256)]) + text[place + 1 :]
    return rng.choice(changes)()


def leaves(document: Any) -> list[tuple[Any, Any]]:
    """Owner and key of every value below a document, the mappings and lists themselves included."""
    found = []
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            found += [(document, key), *leaves(value)]
    return found


def main() -> None:
    run_from_command_line(case, __doc__)


if __name__ == "__main__":
    main()
