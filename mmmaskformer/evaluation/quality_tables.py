"""Panoptic quality as a person reads it in the log, and as the numbers that MMEngine records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prettytable import PrettyTable

from mmmaskformer.evaluation.panoptic_quality import PanopticCounts, Quality

NAMES = ("PQ", "SQ", "RQ")


def group_table(groups: Mapping[str, Quality]) -> str:
    """One row per group of classes, in percent; "-" where none of its classes occurs."""
    table = _table("", *NAMES, "classes")
    for name, quality in groups.items():
        numbers = (quality.pq, quality.sq, quality.rq)
        table.add_row([name, *(_percent(n) if quality.num_classes else "-" for n in numbers), quality.num_classes])
    return table.get_string()


def class_table(counts: PanopticCounts, classes: Sequence[str]) -> str:
    """One row per class, in percent, with what the quality comes from; "-" for classes that do not occur."""
    table = _table("class", *NAMES, "TP", "FP", "FN")
    for name, row, present, numbers in zip(classes, counts.values, counts.present, counts.per_class()):
        table.add_row([name, *(_percent(n) if present else "-" for n in numbers), *row[1:].astype(int).tolist()])
    return table.get_string()


def class_numbers(counts: PanopticCounts, classes: Sequence[str]) -> dict[str, float]:
    """In percent, by names such as ``person_PQ``; classes that do not occur are left out."""
    return {
        f"{name}_{what}": 100 * number
        for name, present, numbers in zip(classes, counts.present, counts.per_class().tolist())
        if present
        for what, number in zip(NAMES, numbers)
    }


def group_numbers(quality: Quality, suffix: str = "") -> dict[str, float]:
    """In percent, by mmdet's names such as ``PQ_th``; nan where no class of the group occurs."""
    return {f"{name}{suffix}": 100 * n for name, n in zip(NAMES, (quality.pq, quality.sq, quality.rq))}


def _table(*columns: str) -> PrettyTable:
    table = PrettyTable(field_names=columns, align="r")
    table.align[columns[0]] = "l"
    return table


def _percent(number: float) -> str:
    return f"{100 * number:.2f}"
