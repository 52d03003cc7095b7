"""What hooks ask of a run's data sets, which may be wrapped: which there are, and where to write about their images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def innermost_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside ConcatDataset, RepeatDataset and other wrappers, or a data set without a wrapper.

    Wrappers answer for their first data set alone, or lack its attributes.
    """
    inner = getattr(dataset, "datasets", None)
    if inner is None and hasattr(dataset, "dataset"):
        inner = [dataset.dataset]
    if inner is None:
        yield dataset
        return
    for part in inner:
        yield from innermost_datasets(part)


def image_loading(dataset: Any) -> dict[str, Any]:
    """Return ``color_type`` and ``backend_args`` of the transform by which a data set's pipeline reads images."""
    for part in innermost_datasets(dataset):
        for step in getattr(getattr(part, "pipeline", None), "transforms", ()):
            if hasattr(step, "color_type"):
                return {key: getattr(step, key, None) for key in ("color_type", "backend_args")}
    return {}


class OutputNames:
    """A path for what is written about each image of a data set, the same on all ranks and no two alike.

    It is the image's path below the image folder of its data set, without the ending. Where images of several folders
    have the same, the parts of these folders that tell them apart go in front; where files of one folder have the same,
    their endings go behind.

    Args:
        dataset: of a test run.
        endings: what is written about an image, for instance ``"_panoptic.png"``; a name that would meet another
            image's with any of these is changed, too.
    """

    def __init__(self, dataset: Any, endings: Sequence[str] = ("",)) -> None:
        self._names = distinct_names(dict(_image_names(dataset)), endings)

    def path(self, out_dir: str | os.PathLike, image: str, ending: str) -> Path:
        """Where to write about an image.

        Args:
            out_dir: folder of all results.
            image: the image's path. One that the data set does not list is written below its whole path.
            ending: the end of the file's name.
        """
        return Path(out_dir, self.name(image) + ending)

    def name(self, image: str) -> str:
        """Return the path below the folder of all results, without an ending."""
        return self._names.get(image) or "/".join((*_folders(os.path.dirname(image)), _stem(image)))


def distinct_names(names: Mapping[str, str], endings: Sequence[str] = ("",), separator: str = "/") -> dict[str, str]:
    """Names that are as given where they are unique.

    Args:
        names: for each image's path, the name that it would like: a tail of the path without the ending.
        endings: names must differ with any of these behind them.
        separator: between the folders that tell images apart and the name.
    """
    result = dict(names)
    clashing = _clashing(result, endings)
    bases = {image: _folders(_base(image, names[image])) for image in clashing}
    labels = _distinguishing_parts(set(bases.values()))
    for image in clashing:
        result[image] = separator.join((*labels[bases[image]], names[image]))
    for image in _clashing(result, endings):
        result[image] += os.path.splitext(image)[1].replace(".", "_")
    while clashing := _clashing(result, endings):
        for number, image in enumerate(clashing):
            result[image] += f"_{number}"
    return result


def _image_names(dataset: Any) -> Iterator[tuple[str, str]]:
    for part in innermost_datasets(dataset):
        if not hasattr(part, "get_data_info"):
            continue
        folder = _image_folder(part)
        for index in range(len(part)):
            image = part.get_data_info(index).get("img_path")
            if isinstance(image, str):
                yield image, _name_below(image, folder)


def _image_folder(dataset: Any) -> str:
    """Return the folder of a data set's images, by mmseg's name or mmdet's; empty where it has none."""
    prefix = getattr(dataset, "data_prefix", None) or {}
    return prefix.get("img_path") or prefix.get("img") or ""


def _name_below(image: str, folder: str) -> str:
    below = os.path.relpath(image, folder) if folder else os.path.basename(image)
    if below.startswith(os.pardir):
        below = os.path.basename(image)
    return os.path.splitext(below)[0]


def _stem(image: str) -> str:
    return os.path.splitext(os.path.basename(image))[0]


def _base(image: str, name: str) -> str:
    """Return the folder that an image's name begins in."""
    for _ in name.split("/"):
        image = os.path.dirname(image)
    return image


def _folders(path: str) -> tuple[str, ...]:
    """Return the parts of a path without root and ``..``, so that they stay inside the folder they are put in."""
    path = path.replace(":", "") if "://" in path else os.path.abspath(path)
    return tuple(part for part in path.split("/") if part.strip("."))


def _clashing(names: Mapping[str, str], endings: Iterable[str]) -> list[str]:
    """Return the images, in order, that would share a file with another."""
    owners = defaultdict(set)
    for image, name in names.items():
        for ending in endings:
            # Without case: a.png and A.png are one file on some disks.
            owners[(name + ending).casefold()].add(image)
    return sorted({image for images in owners.values() if len(images) > 1 for image in images})


def _distinguishing_parts(folders: set[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Each folder without the parts that all of them begin with or end with."""
    first = len(os.path.commonprefix(list(folders)))
    rests = [folder[first:][::-1] for folder in folders]
    last = len(os.path.commonprefix(rests))
    return {folder: folder[first : len(folder) - last] for folder in folders}
