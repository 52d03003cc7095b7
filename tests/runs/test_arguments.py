import argparse
import os

import pytest

from mmmaskformer.runs import arguments


def test_options_of_a_config_keep_their_types() -> None:
    parser = argparse.ArgumentParser()
    arguments.add_cfg_options(parser)
    args = parser.parse_args(["--cfg-options", "model.head.num_queries=20", "lr=1e-4", "names=[a,b]"])
    assert args.cfg_options == {"model.head.num_queries": 20, "lr": 1e-4, "names": ["a", "b"]}
    assert parser.parse_args([]).cfg_options is None


@pytest.mark.parametrize("option", ["--local_rank", "--local-rank"])
def test_a_launchers_rank_is_passed_on_unless_it_is_set(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    arguments.add_launcher(parser)
    args = parser.parse_args([option, "1", "--launcher", "pytorch"])
    monkeypatch.setenv("LOCAL_RANK", "0")  # so that it is put back as it was
    monkeypatch.delenv("LOCAL_RANK")
    arguments.set_local_rank(args)
    assert os.environ["LOCAL_RANK"] == "1"
    monkeypatch.setenv("LOCAL_RANK", "3")
    arguments.set_local_rank(args)
    assert os.environ["LOCAL_RANK"] == "3"
