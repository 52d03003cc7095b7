"""Tables of names that are read in both directions: another project's weights <-> ours.

A template is a key with placeholders: ``{i}``, ``{j}``, ``{k}`` stand for a number, ``{i+1}`` for one more than it, and
``{name}`` for the rest. A rule pairs templates with the same placeholders, so that one table converts both ways.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmmaskformer.errors import UserError, listed

PLACEHOLDER = re.compile(r"\{(\w+?)(?:\+(\d))?\}")


@dataclass(frozen=True)
class Reorder:
    """A change of a tensor's values on its way, and the way back.

    Attributes:
        name: what the table of a conversion calls it.
        to_ours, to_theirs: inverse to each other.
    """

    name: str
    to_ours: Callable[[Tensor], Tensor]
    to_theirs: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Rule:
    """One line of a table.

    Attributes:
        theirs: template of their key; several where they keep apart what we keep in one tensor, one under the other
            along the first dimension.
        ours: template of our key.
        reorder: change of the values, if names are not all that changes.
    """

    theirs: str | tuple[str, ...]
    ours: str
    reorder: Reorder | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.theirs,) if isinstance(self.theirs, str) else self.theirs


@dataclass
class Conversion:
    """Weights under their new names, and what became of every old one.

    Attributes:
        weights: the result.
        moved: number of tensors read, by (old template, new template, what changed besides the name).
        dropped: number of tensors that are no weights of the model, by (key's pattern, why).
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    moved: dict[tuple[str, str, str], int] = field(default_factory=dict)
    dropped: dict[tuple[str, str], int] = field(default_factory=dict)

    def table(self) -> str:
        """Return what went where, one line per rule, with counts; the last line sums up."""
        lines = [(str(count), old, f"-> {new}", note) for (old, new, note), count in self.moved.items()]
        lines += [(str(count), key, f"left out: {why}", "") for (key, why), count in self.dropped.items()]
        widths = [max(len(line[column]) for line in lines) for column in range(3)] if lines else []
        rows = [
            f"{line[0]:>{widths[0]}}  {line[1]:<{widths[1]}}  {line[2]:<{widths[2]}}  {line[3]}".rstrip()
            for line in lines
        ]
        moved, dropped = sum(self.moved.values()), sum(self.dropped.values())
        rows.append(f"{moved + dropped} tensors read: {moved} converted into {len(self.weights)}, {dropped} left out")
        return "\n".join(rows)


class KeyMap:
    """A table of rules between a format's whole models and ours.

    Args:
        owner: whose models these are, for error messages.
        rules: the first that fits a key is taken.
        their_extras: (pattern, why) of their keys that are no weights of ours; looked at before the rules.
        our_extras: the same for our keys that are no weights of theirs.
    """

    def __init__(
        self,
        owner: str,
        rules: Iterable[Rule],
        their_extras: Iterable[tuple[str, str]] = (),
        our_extras: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.owner = owner
        self.rules = list(rules)
        self._their_extras = list(their_extras)
        self._our_extras = list(our_extras)
        self._theirs = [[_pattern(part) for part in rule.parts] for rule in self.rules]
        self._ours = [[_pattern(rule.ours)] for rule in self.rules]

    def to_ours(self, state: Mapping[str, Tensor]) -> Conversion:
        """Their weights under our names.

        Raises:
            UserError: keys that no rule covers, two for one of ours, or one of several parts missing; names the first.
        """
        result, found, unknown = Conversion(), {}, []
        for key, value in state.items():
            if _leave_out(key, self._their_extras, result):
                continue
            hit = self._find(key, self._theirs)
            if hit is None:
                unknown.append(key)
                continue
            index, part, binding = hit
            found.setdefault((index, tuple(binding.items())), {})[part] = value
        self._refuse_unknown(unknown, len(state), self.owner)
        for (index, items), values in found.items():
            rule, binding = self.rules[index], dict(items)
            missing = [_expand(part, binding) for number, part in enumerate(rule.parts) if number not in values]
            if missing:
                raise UserError(f"{listed(missing)} is missing beside its siblings: the checkpoint is not whole")
            parts = [values[number] for number in range(len(rule.parts))]
            key = _expand(rule.ours, binding)
            if key in result.weights:
                raise UserError(f"{_expand(rule.parts[0], binding)} is there under two names, both for {key}")
            try:
                value = parts[0] if len(parts) == 1 else torch.cat(parts)
                result.weights[key] = value if rule.reorder is None else rule.reorder.to_ours(value)
            except (RuntimeError, IndexError) as error:
                theirs = " and ".join(_expand(part, binding) for part in rule.parts)
                shapes = " and ".join(str(tuple(part.shape)) for part in parts)
                raise UserError(f"{theirs} cannot become {key}: the shapes are {shapes}") from error
            _count(result, _shown(rule.parts), rule.ours, rule, len(parts))
        return result

    def to_theirs(self, state: Mapping[str, Tensor]) -> Conversion:
        """Our weights under their names.

        Raises:
            UserError: keys that no rule covers; names the first.
        """
        result, unknown = Conversion(), []
        for key, value in state.items():
            if _leave_out(key, self._our_extras, result):
                continue
            hit = self._find(key, self._ours)
            if hit is None:
                unknown.append(key)
                continue
            index, _, binding = hit
            rule = self.rules[index]
            if rule.reorder is not None:
                value = rule.reorder.to_theirs(value)
            pieces = value.chunk(len(rule.parts)) if len(rule.parts) > 1 else [value]
            result.weights.update({_expand(part, binding): piece for part, piece in zip(rule.parts, pieces)})
            _count(result, rule.ours, _shown(rule.parts), rule, 1)
        if unknown:
            raise UserError(
                f"{len(unknown)} of {len(state)} keys have no counterpart in {self.owner}: {listed(unknown)}"
            )
        return result

    @staticmethod
    def _find(key: str, patterns: list[list[tuple]]) -> tuple[int, int, dict[str, str]] | None:
        for index, parts in enumerate(patterns):
            for number, (pattern, offsets) in enumerate(parts):
                match = pattern.fullmatch(key)
                if match is None:
                    continue
                binding = {name: text for name, text in match.groupdict().items()}
                binding.update({name: str(int(binding[name]) - offset) for name, offset in offsets.items()})
                return index, number, dict(sorted(binding.items()))
        return None

    @staticmethod
    def _refuse_unknown(unknown: list[str], total: int, owner: str) -> None:
        if unknown:
            raise UserError(f"{len(unknown)} of {total} keys are not of {owner}: {listed(unknown)}")


def _pattern(template: str) -> tuple[re.Pattern, dict[str, int]]:
    regex, offsets, end = "", {}, 0
    for found in PLACEHOLDER.finditer(template):
        name, offset = found.groups()
        regex += re.escape(template[end : found.start()]) + rf"(?P<{name}>{'.+' if name == 'name' else '[0-9]{1,6}'})"
        if offset:
            offsets[name] = int(offset)
        end = found.end()
    return re.compile(regex + re.escape(template[end:])), offsets


def _expand(template: str, binding: Mapping[str, str]) -> str:
    def value(found: re.Match) -> str:
        name, offset = found.groups()
        return str(int(binding[name]) + int(offset)) if offset else binding[name]

    return PLACEHOLDER.sub(value, template)


def _shown(parts: tuple[str, ...]) -> str:
    """Several templates as one, with what they differ in between bars."""
    if len(parts) == 1:
        return parts[0]
    start = os.path.commonprefix(parts)
    end = os.path.commonprefix([part[len(start) :][::-1] for part in parts])[::-1]
    return f"{start}{'|'.join(part[len(start) : len(part) - len(end)] for part in parts)}{end}"


def _count(result: Conversion, old: str, new: str, rule: Rule, tensors: int) -> None:
    entry = (old, new, rule.reorder.name if rule.reorder else "")
    result.moved[entry] = result.moved.get(entry, 0) + tensors


def _leave_out(key: str, extras: list[tuple[str, str]], result: Conversion) -> bool:
    for pattern, why in extras:
        if re.fullmatch(pattern, key):
            entry = (re.sub(r"\.[+*]", "*", pattern.replace("\\", "")), why)
            result.dropped[entry] = result.dropped.get(entry, 0) + 1
            return True
    return False
