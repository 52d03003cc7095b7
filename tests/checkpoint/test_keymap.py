"""Tables of names, read in both directions."""

import pytest
import torch

from mmmaskformer.checkpoint.keymap import KeyMap, Reorder, Rule
from mmmaskformer.errors import UserError

FLIP = Reorder("rows reversed", lambda value: value.flip(0), lambda value: value.flip(0))
MAP = KeyMap(
    "a test's model",
    [
        Rule("adapter_{i+1}.norm.{name}", "lateral.{i}.norm.{name}"),
        Rule("adapter_{i+1}.{name}", "lateral.{i}.conv.{name}"),
        Rule(("{i}.q.weight", "{i}.k.weight"), "{i}.qk.weight"),
        Rule("classes.{name}", "cls.{name}", FLIP),
    ],
    their_extras=[(r"loss\.weight", "a constant")],
    our_extras=[(r".*\.counter", "counts")],
)
THEIRS = {
    "adapter_1.weight": torch.ones(2),
    "adapter_10.norm.bias": torch.zeros(2),
    "0.k.weight": torch.full((2, 3), 2.0),
    "0.q.weight": torch.full((2, 3), 1.0),
    "classes.bias": torch.arange(3.0),
}


def test_numbers_shift_siblings_join_and_values_reorder() -> None:
    ours = MAP.to_ours(THEIRS).weights
    assert ours.keys() == {"lateral.0.conv.weight", "lateral.9.norm.bias", "0.qk.weight", "cls.bias"}
    assert ours["0.qk.weight"][:, 0].tolist() == [1, 1, 2, 2]
    assert ours["cls.bias"].tolist() == [2, 1, 0]


def test_the_way_back_gives_the_same_bits() -> None:
    back = MAP.to_theirs(MAP.to_ours(THEIRS).weights).weights
    assert back.keys() == THEIRS.keys()
    assert all(torch.equal(back[key], value) for key, value in THEIRS.items())


def test_what_is_no_weight_is_left_out_with_its_reason_in_the_table() -> None:
    there = MAP.to_ours({**THEIRS, "loss.weight": torch.ones(1)})
    assert there.dropped == {("loss.weight", "a constant"): 1}
    assert there.table().splitlines()[-1] == "6 tensors read: 5 converted into 4, 1 left out"
    assert "{i}.q|k.weight" in there.table() and "rows reversed" in there.table()
    assert MAP.to_theirs({"bn.counter": torch.tensor(0)}).dropped == {("*.counter", "counts"): 1}


def test_unknown_keys_are_refused_with_their_number_and_the_first() -> None:
    with pytest.raises(UserError, match=r"6 of 11 keys are not of a test's model: z0, z1, z2, z3, z4, \.\.\.$"):
        MAP.to_ours({**THEIRS, **{f"z{i}": torch.ones(1) for i in range(6)}})
    with pytest.raises(UserError, match="1 of 1 keys have no counterpart in a test's model: lateral.x.weight"):
        MAP.to_theirs({"lateral.x.weight": torch.ones(1)})


def test_a_missing_sibling_and_two_names_for_one_tensor_are_refused() -> None:
    with pytest.raises(UserError, match="3.k.weight is missing beside its siblings"):
        MAP.to_ours({"3.q.weight": torch.ones(1)})
    two = KeyMap("x", [Rule("old.{name}", "a.{name}"), Rule("new.{name}", "a.{name}")])
    with pytest.raises(UserError, match="new.w is there under two names, both for a.w"):
        two.to_ours({"old.w": torch.ones(1), "new.w": torch.ones(1)})
