"""Shows what queries stand for: ``python tools/analysis_tools/analyze_queries.py CONFIG CHECKPOINT --out-dir DIR``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from mmengine.runner import Runner, load_checkpoint
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmmaskformer import runs, safeguards
from mmmaskformer.analysis.queries import QueryStatistics, mask_head, query_mask, query_statistics
from mmmaskformer.apis.model_info import class_names, find_device
from mmmaskformer.datasets.progress import with_progress
from mmmaskformer.engine.output_names import image_loading
from mmmaskformer.errors import one_line_errors
from mmmaskformer.files import atomic_open
from mmmaskformer.foreign.metainfo import read_dataset_meta
from mmmaskformer.runs import arguments
from mmmaskformer.visualization import read_picture, write_png
from mmmaskformer.visualization.colors import blend
from mmmaskformer.visualization.pictures import gallery
from mmmaskformer.zoo import find_checkpoint

matplotlib.use("Agg")
OUTSIDE = 0.4  # brightness of what is not in a query's mask
PANEL = 260  # width of a picture of one query in one image, in pixels


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run a model over the test data set of its config and write which classes each query predicts "
        "(queries.json), the number of different classes a query (unique_classes.png, the paper's figure) and the "
        "masks of the queries that fire for most classes (busiest_queries.png)"
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder for the three files")
    parser.add_argument("--queries", type=int, default=6, help="busiest queries to draw (default: 6)")
    parser.add_argument("--images", type=int, default=5, help="images to draw of each (default: 5)")
    arguments.add_cfg_options(parser)
    args = parser.parse_args()
    for name in ("queries", "images"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}, must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    safeguards.install()
    MMLogger.get_instance("mmengine", log_level="WARNING")
    cfg = runs.load_config(args.config, args.cfg_options)
    runs.check_output_folders(cfg, {"--out-dir": args.out_dir})
    args.checkpoint = find_checkpoint(args.checkpoint)
    runs.check_checkpoint_exists(args.checkpoint, "checkpoint")
    runs.check_sizes(cfg)
    runs.check_data_paths(cfg, ["test_dataloader"])
    runs.check_categories(cfg, ["test_dataloader"])
    runs.sync_dataset_meta(cfg, ("train_dataloader", "test_dataloader"))
    model, loader, classes, palette = build(cfg, args.checkpoint)
    statistics = query_statistics(model, with_progress(loader, "predicting", total=len(loader)))
    args.out_dir.mkdir(parents=True, exist_ok=True)
    with atomic_open(args.out_dir / "queries.json", "w", encoding="utf-8") as file:
        json.dump(report(statistics, classes), file, indent=1)
    plot_unique_classes(statistics, args.out_dir / "unique_classes.png")
    busiest = np.argsort(-statistics.unique_classes, kind="stable")[: args.queries]
    busiest = [int(query) for query in busiest if statistics.fired[query]]
    print(table(statistics, classes, busiest))
    written = ["queries.json", "unique_classes.png"]
    if busiest:
        picture = draw_queries(model, loader.dataset, statistics, busiest, args.images, classes, palette)
        write_png(picture, args.out_dir / "busiest_queries.png")
        written.append("busiest_queries.png")
    print(f"written to {args.out_dir}: {', '.join(written)}")


def build(cfg: Config, checkpoint: str) -> tuple[nn.Module, DataLoader, list[str], list[list[int]]]:
    """The model with its weights, the loader of the test data, and the classes' names and colors."""
    model = MODELS.build(cfg.model)
    mask_head(model)
    runs.check_checkpoint_fits(model, checkpoint)
    meta = load_checkpoint(model, checkpoint, map_location="cpu", logger="silent").get("meta") or {}
    names = class_names(read_dataset_meta(meta, checkpoint), cfg, mask_head(model).num_classes)
    return model.to(find_device(None)).eval(), Runner.build_dataloader(cfg.test_dataloader, seed=0), *names


def report(statistics: QueryStatistics, classes: Sequence[str]) -> dict:
    """Everything as plain numbers: for each query the images in which it fired, and for which classes."""
    counts = statistics.counts
    return dict(
        images=len(statistics.labels),
        classes=list(classes),
        queries=[
            dict(
                query=query,
                fired=int(row.sum()),
                unique_classes=int((row > 0).sum()),
                classes={classes[label]: int(row[label]) for label in np.argsort(-row, kind="stable") if row[label]},
            )
            for query, row in enumerate(counts)
        ],
    )


def table(statistics: QueryStatistics, classes: Sequence[str], busiest: Sequence[int]) -> str:
    """The busiest queries for people."""
    counts, images = statistics.counts, len(statistics.labels)
    silent = int((statistics.fired == 0).sum())
    lines = [
        f"{images} images, {len(counts)} queries: {silent} never fire; "
        f"{statistics.fired.sum() / images:.1f} fire an image; "
        f"{statistics.unique_classes.mean():.1f} different classes a query, {statistics.unique_classes.max()} at most",
        "",
        "query  fired in  classes",
    ]
    for query in busiest:
        row = counts[query]
        named = [f"{classes[label]} {row[label]}" for label in np.argsort(-row, kind="stable") if row[label]]
        more = f", and {len(named) - 5} more" if len(named) > 5 else ""
        lines.append(f"{query:5}  {row.sum() / images:8.0%}  {', '.join(named[:5])}{more}")
    return "\n".join(lines)


def plot_unique_classes(statistics: QueryStatistics, path: Path) -> None:
    """Different classes a query, in falling order, and beside it how often queries fire."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    ranks = np.arange(1, len(statistics.fired) + 1)
    left.bar(ranks, np.sort(statistics.unique_classes)[::-1], width=1.0)
    left.set(title="different classes predicted by a query", xlabel="queries, sorted", ylabel="classes")
    right.bar(ranks, np.sort(statistics.fired)[::-1] / len(statistics.labels), width=1.0, color="tab:orange")
    right.set(title="how often a query fires", xlabel="queries, sorted", ylabel="share of images", ylim=(0, 1))
    for axes in (left, right):
        axes.set_xlim(0.5, len(ranks) + 0.5)
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=axes is left))
    with atomic_open(path) as file:
        figure.savefig(file, format="png", dpi=130)
    pyplot.close(figure)


def draw_queries(
    model: nn.Module,
    dataset: Dataset,
    statistics: QueryStatistics,
    queries: Sequence[int],
    most: int,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> np.ndarray:
    """The masks of each query in the images where it is surest, each class once before any twice."""
    loading, panels = image_loading(dataset), []
    for query in queries:
        for index in statistics.best_images(query, most):
            sample = dataset[index]
            image = read_picture(sample["data_samples"].img_path, **loading)
            width = 2 * PANEL  # a panel in a line of few is wider than the others
            image = mmcv.imresize(image, (width, round(width * image.shape[0] / image.shape[1])))
            probability = query_mask(model, pseudo_collate([sample]), query, image.shape[:2]).cpu().numpy()
            label = int(statistics.labels[index][query])
            title = f"query {query}: {classes[label]} {statistics.scores[index][query]:.2f}"
            picture = blend(image, (probability > 0.5).astype(int), [palette[label]], 0.6)
            picture[probability <= 0.5] = OUTSIDE * picture[probability <= 0.5]  # a mask of water's color on water
            panels.append((title, picture))
    return gallery(panels, most, PANEL)


if __name__ == "__main__":
    with one_line_errors():
        main()
