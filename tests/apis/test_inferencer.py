from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
import torch
from launching import ROOT
from segmenter import write_checkpoint, write_config
from tiny import CLASSES, make_dataset
from torch import nn

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.apis.images import list_images
from mmmaskformer.apis.model_info import inference_pipeline, num_classes
from mmmaskformer.errors import UserError
from mmmaskformer.runs import load_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inferencer")
    make_dataset(folder / "data")
    write_config(folder / "tiny.py", folder / "data")
    write_checkpoint(folder / "tiny.pth", folder / "tiny.py")
    return folder


@pytest.fixture(scope="module")
def inferencer(folder: Path) -> MaskFormerInferencer:
    return MaskFormerInferencer(folder / "tiny.py", folder / "tiny.pth", "cpu")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_an_image_gives_a_label_map_of_its_own_size(inferencer: MaskFormerInferencer, folder: Path) -> None:
    result = inferencer(folder / "data" / "images" / "0.png")
    assert result.labels.shape == (64, 64)
    assert set(np.unique(result.labels)) <= {0, 1, 2}
    assert result.name == "0"


def test_images_of_different_sizes_keep_order_and_size(inferencer: MaskFormerInferencer) -> None:
    sizes = [(64, 64), (64, 64), (70, 45), (33, 90), (33, 90), (33, 90), (64, 64)]
    results = inferencer([noise(*size) for size in sizes], batch_size=2)
    assert [result.labels.shape for result in results] == sizes


def test_a_batch_gives_what_single_images_give(inferencer: MaskFormerInferencer) -> None:
    images = [noise(64, 96), noise(64, 96)[::-1].copy(), noise(64, 96)[:, ::-1].copy()]
    for one, many in zip(inferencer(images), inferencer(images, batch_size=3)):
        assert (one.labels != many.labels).mean() < 0.001


def test_an_array_is_read_as_bgr_like_a_file(inferencer: MaskFormerInferencer, folder: Path) -> None:
    path = folder / "data" / "images" / "0.png"
    from_array, from_file = inferencer(cv2.imread(str(path))), inferencer(path)
    assert (from_array.labels == from_file.labels).all()
    assert (from_array.image() == from_file.image()).all()
    assert (from_file.image()[..., ::-1] == cv2.imread(str(path))).all()


def test_a_folder_gives_a_list_even_of_one(inferencer: MaskFormerInferencer, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), noise(64, 64))
    assert [result.name for result in inferencer(tmp_path)] == ["a"]


def test_results_equal_those_of_a_test_run(inferencer: MaskFormerInferencer, folder: Path) -> None:
    from mmengine.runner import Runner

    cfg = load_config(folder / "tiny.py", {"load_from": str(folder / "tiny.pth"), "work_dir": str(folder / "run")})
    cfg.model.decode_head.num_classes = 3
    cfg.visualizer = dict(type="Visualizer")  # a name would bring that of an earlier run, whose folder is gone
    runner = Runner.from_cfg(cfg)
    runner.load_or_resume()
    runner.model.cpu().eval()
    for batch in runner.test_dataloader:
        (sample,) = runner.model.test_step(batch)
        assert (inferencer(sample.img_path).labels == sample.pred_sem_seg.data[0].numpy()).all()


def test_the_class_count_follows_the_data_set_and_names_come_with_it(inferencer: MaskFormerInferencer) -> None:
    assert inferencer.model.decode_head.num_classes == 3
    assert tuple(inferencer.classes) == CLASSES
    assert len(inferencer.palette) == 3


def test_names_in_the_checkpoint_have_the_last_word(folder: Path, tmp_path: Path) -> None:
    meta = dict(classes=("a", "b", "c"), palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    checkpoint = write_checkpoint(tmp_path / "named.pth", folder / "tiny.py", dataset_meta=meta)
    inferencer = MaskFormerInferencer(folder / "tiny.py", checkpoint, "cpu")
    assert inferencer.classes == ["a", "b", "c"]
    assert inferencer.palette == meta["palette"]


def test_results_can_be_paired_with_the_inputs(inferencer: MaskFormerInferencer, folder: Path, tmp_path: Path) -> None:
    one, other = (folder / "data" / "images" / f"{index}.png" for index in range(2))
    inputs = [one, other, one]
    results = inferencer(inputs, batch_size=2, out_dir=tmp_path)
    assert [result.source for result in results] == inputs
    assert [result.name for result in results] == ["0", "1", "0"]
    assert (results[0].labels == results[2].labels).all()
    assert len(list(tmp_path.iterdir())) == 4


def test_results_are_not_written_over_the_inputs(inferencer: MaskFormerInferencer, tmp_path: Path) -> None:
    for name in ("street", "street_labels"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), noise(64, 64))
    before = (tmp_path / "street_labels.png").read_bytes()
    with pytest.raises(UserError, match=r"street_labels\.png is one of the images and would be written over"):
        inferencer([tmp_path / "street.png", tmp_path / "street_labels.png"], out_dir=tmp_path)
    with pytest.raises(UserError, match="cannot take the results"):
        inferencer(tmp_path, out_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 and (tmp_path / "street_labels.png").read_bytes() == before


def test_files_are_written_where_asked_for(inferencer: MaskFormerInferencer, folder: Path, tmp_path: Path) -> None:
    (first, *_) = inferencer(folder / "data" / "images", out_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 8
    labels = cv2.imread(str(tmp_path / "0_labels.png"), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == np.uint8 and (labels == first.labels).all()
    assert cv2.imread(str(tmp_path / "0_overlay.png")).shape == inferencer.visualize(first.source).shape


def test_more_than_256_classes_are_written_with_16_bits(folder: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "many.pth", folder / "tiny.py", num_classes=300)
    classes = [f"class {index}" for index in range(300)]
    names = {f"{key}.dataset.metainfo.classes": classes for key in ("train_dataloader", "test_dataloader")}
    options = {**names, "model.decode_head.ignore_index": 65535}
    result = MaskFormerInferencer(folder / "tiny.py", checkpoint, "cpu", cfg_options=options)(noise(64, 64))
    result.save(tmp_path)
    written = cv2.imread(str(tmp_path / f"{result.name}_labels.png"), cv2.IMREAD_UNCHANGED)
    assert written.dtype == np.uint16 and (written == result.labels).all()


def test_a_corrupt_image_is_named_and_can_be_skipped(inferencer: MaskFormerInferencer, tmp_path: Path) -> None:
    for name in ("a", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), noise(64, 64))
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"b\.png cannot be decoded"):
        inferencer(tmp_path)
    errors: list[str] = []
    results = inferencer(tmp_path, on_error=lambda name, error: errors.append(name))
    assert [result.name for result in results] == ["a", "c"]
    assert errors == [str(tmp_path / "b.png")]


def test_without_a_checkpoint_random_weights_must_be_asked_for(folder: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint given; .* random_weights=True"):
        MaskFormerInferencer(folder / "tiny.py")
    assert MaskFormerInferencer(folder / "tiny.py", random_weights=True)(noise(64, 64)).labels.shape == (64, 64)


def test_a_checkpoint_of_other_shapes_is_refused_with_both_shapes(folder: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "other.pth", folder / "tiny.py", num_classes=7)
    with pytest.raises(UserError, match=r"class_embed\.weight is \(8, 16\) there and \(4, 16\) here"):
        MaskFormerInferencer(folder / "tiny.py", checkpoint)


def test_a_file_that_is_no_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(UserError, match=r"text\.pth"):
        MaskFormerInferencer(folder / "tiny.py", tmp_path / "text.pth")
    torch.save({"state_dict": {"x": torch.zeros(2)}}, tmp_path / "x.pth")
    with pytest.raises(UserError, match="is of another model: it holds x"):
        MaskFormerInferencer(folder / "tiny.py", tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("config", "checkpoint", "message"),
    [
        ("tinny.py", "tiny.pth", r"config file .*tinny\.py does not exist; did you mean tiny\.py"),
        ("tiny.py", "tinny.pth", r"checkpoint .*tinny\.pth does not exist"),
    ],
)
def test_a_missing_file_is_named(folder: Path, config: str, checkpoint: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        MaskFormerInferencer(folder / config, folder / checkpoint)


def test_a_device_that_is_not_there_is_named(folder: Path) -> None:
    for device in ("cuda:77", "abacus"):
        with pytest.raises(UserError, match=f"device '{device}' cannot be used"):
            MaskFormerInferencer(folder / "tiny.py", folder / "tiny.pth", device)


def test_a_config_without_a_test_pipeline_is_refused(folder: Path) -> None:
    cfg = load_config(folder / "tiny.py")
    for key in ("test_dataloader", "val_dataloader"):
        cfg[key].dataset.pipeline = []
    with pytest.raises(UserError, match="the config has no test pipeline"):
        MaskFormerInferencer(cfg, random_weights=True)


def test_steps_that_load_the_truth_are_not_needed() -> None:
    cfg = load_config(ROOT / "configs" / "maskformer" / "maskformer_r50_ade20k-panoptic.py")
    steps = [step["type"] for step in inference_pipeline(cfg)]
    assert [str(step).rpartition(".")[2] for step in steps] == [
        "LoadImageFromFile",
        "ResizeShortestEdge",
        "PackDetInputs",
    ]


def test_a_test_pipeline_that_augments_is_refused(folder: Path) -> None:
    cfg = load_config(folder / "tiny.py")
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    with pytest.raises(UserError, match="LoadImageFromFile > TestTimeAug: .* end with PackSegInputs"):
        MaskFormerInferencer(cfg, random_weights=True)


def test_a_batch_size_below_one_is_refused(inferencer: MaskFormerInferencer) -> None:
    with pytest.raises(UserError, match="batch_size=0 must be at least 1"):
        inferencer(noise(64, 64), batch_size=0)


@pytest.fixture(scope="module")
def detector(trained_detector: Path) -> MaskFormerInferencer:
    return MaskFormerInferencer(trained_detector / "tiny.py", trained_detector / "tiny.pth", "cpu")


def test_a_detector_gives_all_kinds_of_output_at_the_images_size(detector: MaskFormerInferencer) -> None:
    result = detector(noise(40, 90))
    assert result.panoptic.ids.shape == result.labels.shape == result.instances.masks.shape[1:] == (40, 90)
    assert tuple(result.classes) == ("square", "left", "right") and result.palette[0] == [220, 20, 60]


def test_segments_say_what_where_and_how_sure(detector: MaskFormerInferencer, trained_detector: Path) -> None:
    result = detector(trained_detector / "data" / "images" / "0.png")
    truth = cv2.imread(str(trained_detector / "data" / "annotations" / "0.png"), cv2.IMREAD_UNCHANGED) == 2
    (square,) = [segment for segment in result.panoptic.segments if segment.is_thing]
    mask = result.panoptic.ids == square.id
    assert (mask & truth).sum() > 0.8 * (mask | truth).sum()
    assert square.area == mask.sum() and 0.3 < square.score <= 1
    rows, columns = np.nonzero(mask)
    assert square.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("outputs", [["panoptic"], ["instance"], ["semantic"]])
def test_outputs_may_be_chosen(trained_detector: Path, outputs: list[str]) -> None:
    files = (trained_detector / "tiny.py", trained_detector / "tiny.pth")
    result = MaskFormerInferencer(*files, "cpu", outputs=outputs)(noise(64, 64))
    found = {"panoptic": result.panoptic, "instance": result.instances, "semantic": result.labels}
    assert [name for name, value in found.items() if value is not None] == outputs


def test_mmdets_own_maskformer_is_run_too() -> None:
    config = Path(mmdet.__file__).parent / ".mim/configs/maskformer/maskformer_r50_ms-16xb1-75e_coco.py"
    attention, ffn = dict(embed_dims=16, num_heads=2), dict(embed_dims=16, feedforward_channels=16)
    layers = dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn))
    encoder = dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn))
    positions = dict(num_feats=8)
    head = dict(in_channels=[4, 8, 16, 32], feat_channels=16, out_channels=16, num_queries=8)
    head |= dict(positional_encoding=positions, transformer_decoder=layers)
    head |= dict(pixel_decoder=dict(norm_cfg=dict(num_groups=4), positional_encoding=positions, encoder=encoder))
    small = dict(backbone=dict(depth=18, base_channels=4, stem_channels=4), panoptic_head=head)
    small |= dict(test_cfg=dict(object_mask_thr=0.0, iou_thr=0.0))
    options = dict(outputs=["panoptic", "instance"], cfg_options=dict(model=small), random_weights=True)
    result = MaskFormerInferencer(config, **options)(noise(48, 64))
    assert len(result.classes) == 133 and result.panoptic.ids.shape == (48, 64)
    assert result.panoptic.segments and all(segment.score is None for segment in result.panoptic.segments)
    assert result.instances.masks.shape[1:] == (48, 64) and result.labels is None


def test_a_model_without_a_head_that_is_known_is_refused() -> None:
    with pytest.raises(UserError, match="model Identity has neither a decode_head nor a panoptic_head"):
        num_classes(nn.Identity())


def test_arrays_of_several_calls_have_different_names(inferencer: MaskFormerInferencer, tmp_path: Path) -> None:
    array = np.zeros((40, 50, 3), np.uint8)
    names = [inferencer(array).name for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: inferencer([array] * 3, out_dir=tmp_path), range(2)))
    names += [result.name for found in results for result in found]
    assert len(set(names)) == 8
    assert len(list(tmp_path.glob("*_labels.png"))) == 6


def test_the_order_of_channels_is_that_of_the_call(inferencer: MaskFormerInferencer) -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    expected = inferencer.prepare(list_images(bgr)[0])["inputs"]
    for given in (rgb, torch.from_numpy(rgb).permute(2, 0, 1), rgb.astype(np.float64)):
        result = inferencer(given, channel_order="rgb")
        np.testing.assert_array_equal(result.image(), rgb)
        np.testing.assert_array_equal(result.labels, inferencer(bgr).labels)
    assert not torch.equal(inferencer.prepare(list_images(rgb)[0])["inputs"], expected)


def test_what_is_in_memory_must_fit_the_model(inferencer: MaskFormerInferencer) -> None:
    with pytest.raises(UserError, match=r"array_\d+ has 4 channels, the model takes 3"):
        inferencer(np.zeros((40, 50, 4), np.uint8))
    errors = []
    results = inferencer(
        [np.zeros((8, 8, 5), np.uint8), np.zeros((8, 8), np.uint8)], on_error=lambda *e: errors.append(e)
    )
    assert len(results) == len(errors) == 1


def test_a_bar_can_be_drawn(inferencer: MaskFormerInferencer, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(inferencer([np.zeros((8, 8, 3), np.uint8)] * 2, progress=True)) == 2
    assert "segmenting: 100%" in capsys.readouterr().err


def test_a_call_can_choose_outputs_and_threshold(detector: MaskFormerInferencer) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = dict(detector.model.panoptic_head.test_cfg)
    alone = detector(image, outputs="instance", threshold=0.0)
    assert alone.panoptic is None and alone.labels is None and len(alone.instances)
    highest = float(alone.instances.scores.max())
    assert len(detector(image, threshold=highest).instances) == (alone.instances.scores == highest).sum()
    assert not len(detector(image, outputs=["instance"], threshold=highest + 0.01).instances)
    assert not detector(image, threshold=1.0).panoptic.segments
    assert detector.model.panoptic_head.test_cfg == before
    assert detector(image).panoptic is not None
    with pytest.raises(UserError, match="threshold=2 must lie between 0 and 1"):
        detector(image, threshold=2)
    with pytest.raises(UserError, match="'boxes' is no kind of output"):
        detector(image, outputs="boxes")


def test_a_semantic_model_has_label_maps_alone(inferencer: MaskFormerInferencer) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    assert inferencer(image, outputs="semantic").labels is not None
    with pytest.raises(UserError, match="panoptic output needs a model with a panoptic_head"):
        inferencer(image, outputs=["panoptic"])
    with pytest.raises(UserError, match="threshold: a semantic model has no segments"):
        inferencer(image, threshold=0.5)
