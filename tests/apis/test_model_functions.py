"""init_model and inference_model give what mmseg's and mmdet's own functions give."""

from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import segmenter
import tiny
from mmdet.structures import DetDataSample
from mmseg.structures import SegDataSample

from mmmaskformer import MaskFormer, MaskFormerSegmentor, inference_model, init_model
from mmmaskformer.errors import UserError


@pytest.fixture(scope="module")
def semantic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Config and checkpoint of a semantic model."""
    folder = tmp_path_factory.mktemp("semantic")
    config = segmenter.write_config(folder / "tiny.py", tiny.make_dataset(folder / "data"))
    return config, segmenter.write_checkpoint(folder / "tiny.pth", config)


def test_a_segmentor_gives_what_mmsegs_functions_give(semantic: tuple[Path, Path]) -> None:
    from mmseg.apis import inference_model as theirs_inference_model
    from mmseg.apis import init_model as theirs_init_model

    config, checkpoint = semantic
    image = str(config.parent / "data" / "images" / "0.png")
    model = init_model(config, checkpoint, "cpu")
    # Theirs does not make the head's class count follow the data set.
    theirs = theirs_init_model(deepcopy(model.cfg), str(checkpoint), "cpu")
    assert not model.training and model.dataset_meta["classes"] == list(tiny.CLASSES)
    theirs.cfg.test_pipeline = theirs.cfg.test_dataloader.dataset.pipeline  # where mmseg's function looks for it
    expected = theirs_inference_model(theirs, cv2.imread(image)).pred_sem_seg.data
    for found in (inference_model(model, image), *inference_model(model, [cv2.imread(image), Path(image)])):
        assert isinstance(found, SegDataSample)
        assert found.pred_sem_seg.data.equal(expected)
    assert isinstance(model, MaskFormerSegmentor)


def test_a_detector_gives_what_mmdets_functions_give(trained_detector: Path) -> None:
    from mmdet.apis import inference_detector, init_detector

    config, checkpoint = trained_detector / "tiny.py", str(trained_detector / "tiny.pth")
    image = str(next((trained_detector / "data" / "images").iterdir()))
    model = init_model(config, checkpoint, "cpu")
    theirs = init_detector(deepcopy(model.cfg), checkpoint, device="cpu")
    found, expected = inference_model(model, image), inference_detector(theirs, image)
    assert isinstance(model, MaskFormer) and isinstance(found, DetDataSample)
    assert found.pred_panoptic_seg.sem_seg.equal(expected.pred_panoptic_seg.sem_seg)


def test_a_model_may_have_random_weights_and_an_image_must_be_there(semantic: tuple[Path, Path]) -> None:
    model = init_model(semantic[0], device="cpu")
    assert inference_model(model, np.zeros((64, 64, 3), np.uint8)).pred_sem_seg.data.shape == (1, 64, 64)
    with pytest.raises(UserError, match=r"nowhere\.png"):
        inference_model(model, "nowhere.png")
