"""A small model under the name of a published one: a file of the release's format whose md5 begins as it should."""

from __future__ import annotations

import hashlib
import pickle
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy import ndarray
from small_models import NUM_HEADS, small_model

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.checkpoint.convert import to_theirs
from mmmaskformer.checkpoint.detectron2 import published_name
from mmmaskformer.checkpoint.saving import write_ours
from mmmaskformer.zoo import ReleasedModel, released_models

SHORT_SIDE = {"ade20k": 512, "ade20k-full": 512, "coco-stuff-10k": 640}  # of the published models' test pipelines
SMALL_SIZE = {"test_pipeline.1.scale": 32, "test_pipeline.1.max_size": 64}  # of the small model's
RELEASED_HEADS = 8
PLACE = b"00000000"


@cache
def published_file() -> tuple[ReleasedModel, bytes]:
    """The file, and whose name it can have: six digits of md5 are soon found for one of many names."""
    candidates = [m for m in released_models().values() if m.name.split("_")[2] in SHORT_SIDE and "swin" not in m.name]
    models = {model.md5_prefix: model for model in candidates}
    weights = to_theirs(small_model(), "detectron2").weights
    arrays = {published_name(key): value.numpy() for key, value in weights.items()}
    content = pickle.dumps({"model": arrays, "number": PLACE})
    start, _, end = content.rpartition(PLACE)
    begun = hashlib.md5(start)
    number = 0
    while True:
        text = b"%08d" % number
        digest = begun.copy()
        digest.update(text + end)
        if model := models.get(digest.hexdigest()[:6]):
            return model, start + text + end
        number += 1


def url_path(model: ReleasedModel) -> str:
    """Path of the model's address, which a mirror has, too."""
    return urlsplit(model.url).path


def image() -> ndarray:
    """A picture with blobs, BGR."""
    noise = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC)


def expected_labels(folder: Path, num_heads: int = NUM_HEADS) -> ndarray:
    """The label map of the same model, from neither a file of the release's nor one of Hugging Face's.

    No shape tells the number of heads: the release's models have :data:`RELEASED_HEADS`.
    """
    write_ours(small_model(), folder / "small.pth")
    heads = {"model.decode_head.transformer_decoder.num_heads": num_heads}
    labels = MaskFormerInferencer(checkpoint=folder / "small.pth", device="cpu", cfg_options=heads)(image()).labels
    assert np.unique(labels, return_counts=True)[1].min() > labels.size / 10 and len(np.unique(labels)) > 1
    return labels
