"""A fixed sample of the fuzzers of tools/acceptance, and that they notice what they are for."""

import json
from collections.abc import Callable
from pathlib import Path

import foreign_cases
import fuzz_coco_json
import fuzz_hf_config
import fuzz_meta_config
import fuzz_safetensors
import pytest
from converting import convert
from foreign_cases import run_cases
from hostile_configs import as_text, training_config
from small_models import write_small_hf


@pytest.mark.parametrize(
    ("module", "cases", "seed"),
    [(fuzz_hf_config, 10, 0), (fuzz_safetensors, 20, 100), (fuzz_meta_config, 10, 0), (fuzz_coco_json, 12, 6)],
    ids=["hf_config", "safetensors", "meta_config", "coco_json"],
)
def test_hostile_files_end_in_one_line_or_do_no_harm(module: object, cases: int, seed: int) -> None:
    outcomes, failures = run_cases(module.case, cases, seed)
    assert not failures and outcomes.total() == cases
    assert {outcome.partition(": ")[2] for outcome in outcomes} >= {"refused"} and len(outcomes) > 2


def test_a_fuzzer_notices_code_that_runs_and_files_that_are_left() -> None:
    def runs_code(context: foreign_cases.Context) -> str:
        eval(context.canary.code)
        return "converted"

    def imports(context: foreign_cases.Context) -> str:
        __import__(foreign_cases.MODULE)
        return "converted"

    def leaves_a_file(context: foreign_cases.Context) -> str:
        (context.folder / "half").touch()
        foreign_cases.check_refused(foreign_cases.Outcome(2, "", "error: x\n"), context.folder)
        return "refused"

    def says_two_lines(context: foreign_cases.Context) -> str:
        foreign_cases.check_refused(foreign_cases.Outcome(2, "", "error: x\ny\n"), context.folder)
        return "refused"

    found = {case: failed(case) for case in (runs_code, imports, leaves_a_file, says_two_lines)}
    messages = ["code of the file has run", "code of the file has run", "['half'] is left", "not one line of an error"]
    assert all(message in line for message, line in zip(messages, found.values()))


def failed(case: Callable) -> str:
    outcomes, (line, *_) = run_cases(case, 2, seed=5)
    assert outcomes["FAILED"] == 2 and line.startswith("seed 5: ")
    return line


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("config.json", ("no_object_weight",)),
        ("config.json", ("cross_entropy_weight",)),
        ("config.json", ("mask_weight",)),
        ("config.json", ("dice_weight",)),
        ("preprocessor_config.json", ("size", "shortest_edge")),
        ("preprocessor_config.json", ("size", "longest_edge")),
        ("preprocessor_config.json", ("size_divisor",)),
    ],
    ids=str,
)
def test_a_value_of_hugging_face_that_is_code_in_a_key_is_refused(
    file: str, place: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    hub = write_small_hf(tmp_path / "hub")
    content = owner = json.loads((hub / file).read_text())
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = {"a': 0, 'b': __import__('os').system('touch was_here'), 'c": 1}
    (hub / file).write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        convert(monkeypatch, hub, tmp_path / "out" / "ours.pth")
    assert ended.value.code == 2 and [path.name for path in tmp_path.iterdir()] == ["hub"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}: {'.'.join(place)} is ") and "must be a" in line


def test_a_stored_config_that_names_a_function_as_type_is_refused(tmp_path: Path) -> None:
    config = training_config()
    config["model"]["backbone"] = dict(type="subprocess.check_call", args=["touch", str(tmp_path / "was_here")])
    context = foreign_cases.Context(None, tmp_path, None, foreign_cases.call)
    path = fuzz_meta_config.write_checkpoint(tmp_path, dict(cfg=as_text(config)))
    assert fuzz_meta_config.predict(context, path) == "refused"
    assert [path.name for path in tmp_path.iterdir()] == ["stranger.pth"]
