"""The converter as users call it: the reference release's numbers come out of the files that it writes."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from converting import convert
from launching import run_tool
from mmdet.structures import DetDataSample
from mmengine.runner import load_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from release import Release, assert_close, assert_labels, assert_losses, assert_panoptic
from torch import nn

from mmmaskformer.apis import MaskFormerInferencer
from mmmaskformer.checkpoint.detectron2 import published_name
from mmmaskformer.core.inference import semantic_scores
from mmmaskformer.runs import load_config

NAMES = ["semantic_r50", "semantic_swin", "per_pixel_plus_r50", "panoptic_r50_encoder"]


def save_published(state: dict, path: Path) -> Path:
    """As the release's files are published: NumPy arrays, names of before the pixel decoder had its own."""
    arrays = {published_name(key): value.numpy() for key, value in state.items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "third_party"}))
    return path


def build(config: Path, checkpoint: Path) -> nn.Module:
    """The model of the files, every tensor of it loaded."""
    model = MODELS.build(load_config(config).model)
    load_checkpoint(model, str(checkpoint), strict=False, map_location="cpu")
    stored = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert {key for key in model.state_dict() if not key.endswith("num_batches_tracked")} == stored.keys()
    return model.eval()


@pytest.fixture(scope="module")
def releases() -> dict[str, Release]:
    return {}


@pytest.fixture
def release(request: pytest.FixtureRequest, shared_data: Path, releases: dict[str, Release]) -> Release:
    if request.param not in releases:
        releases[request.param] = Release(shared_data, request.param)
    return releases[request.param]


@pytest.mark.parametrize("release", NAMES, indirect=True)
def test_a_published_pickle_reproduces_the_releases_logits_losses_and_outputs(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = save_published(release.numbers["state_dict"], tmp_path / "model_final.pkl")
    convert(monkeypatch, published, tmp_path / "ours.pth", "--num-heads", 4)
    model = build(tmp_path / "ours.py", tmp_path / "ours.pth")
    panoptic, size = hasattr(model, "panoptic_head"), tuple(release.images.shape[-2:])
    samples = []
    for labels in release.numbers["sem_seg"]:
        sample = (DetDataSample if panoptic else SegDataSample)(
            metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size)
        )
        sample.gt_sem_seg = PixelData(sem_seg=labels[None]) if panoptic else PixelData(data=labels[None])
        samples.append(sample)
    assert_losses(model.loss(release.images, samples), release.numbers["losses"], "" if panoptic else "decode.")
    with torch.no_grad():
        features = model.extract_feat(release.images)
        if "seg_logits" in release.numbers:
            assert_close(
                model.decode_head.predict(features, [s.metainfo for s in samples]), release.numbers["seg_logits"]
            )
            return
        head = model.panoptic_head if panoptic else model.decode_head
        predictions = head(features, samples) if panoptic else head(features)
    assert_close(predictions.class_logits, release.numbers["pred_logits"])
    for layer, theirs in enumerate(release.numbers["pred_masks"]):
        assert_close(predictions.mask_logits(layer), theirs)
    scores = semantic_scores(predictions, size)
    assert_close(scores[:, :8], release.numbers["semantic"])
    for ours, theirs, score in zip(scores.argmax(1), release.numbers["semantic_argmax"], scores):
        assert_labels(ours, theirs, score)
    if panoptic:
        assert_panoptic(predictions, release.numbers["panoptic"], head.num_things_classes)


@pytest.mark.parametrize("release", NAMES, indirect=True)
def test_a_training_checkpoint_converts_to_the_same_and_back_to_the_published_bits(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = release.numbers["state_dict"]
    published = save_published(state, tmp_path / "model_final.pkl")
    torch.save({"model": state, "iteration": 160000}, tmp_path / "model_0159999.pth")
    options = ("--num-heads", 4)
    convert(monkeypatch, published, tmp_path / "a.pth", *options)
    convert(monkeypatch, tmp_path / "model_0159999.pth", tmp_path / "b.pth", *options)
    first, second = (torch.load(tmp_path / f"{name}.pth", weights_only=True)["state_dict"] for name in "ab")
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())

    for target in ("back.pkl", "back.pth"):
        convert(monkeypatch, tmp_path / "a.pth", tmp_path / target, "--to", "detectron2", "--config", tmp_path / "a.py")
    back = pickle.loads((tmp_path / "back.pkl").read_bytes())["model"]
    assert back.keys() == {published_name(key) for key in state}
    assert all(np.array_equal(back[published_name(key)], value.numpy()) for key, value in state.items())
    stored = torch.load(tmp_path / "back.pth", weights_only=True)["model"]
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[key], value) and stored[key].dtype == value.dtype for key, value in state.items())
    # The release's code renames what does not say that it has the present names.
    assert stored._metadata["sem_seg_head"]["version"] == 2


@pytest.mark.parametrize("release", ["semantic_swin"], indirect=True)
def test_the_written_config_predicts_and_its_table_accounts_for_every_tensor(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    published = save_published(release.numbers["state_dict"], tmp_path / "model.pkl")
    convert(monkeypatch, published, tmp_path / "new" / "ours.pth", "--num-heads", 4)
    lines = capsys.readouterr().out.splitlines()
    count = len(release.numbers["state_dict"])
    assert f"{count} tensors read: {count - 1} converted into {count - 1}, 1 left out" in lines
    assert sum(int(line.split()[0]) for line in lines if "->" in line or "left out:" in line) == count
    assert any("layers.{i}.downsample.reduction" in line and line.endswith("interleaved") for line in lines)
    result = MaskFormerInferencer(tmp_path / "new" / "ours.py", tmp_path / "new" / "ours.pth", device="cpu")(
        np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    )
    assert result.labels.shape == (40, 60)


@pytest.mark.parametrize("release", ["panoptic_r50_encoder"], indirect=True)
def test_with_a_config_the_weights_are_for_it_and_it_is_written_beside_them(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = save_published(release.numbers["state_dict"], tmp_path / "model.pkl")
    convert(monkeypatch, published, tmp_path / "derived.pth", "--num-heads", 4)
    given = tmp_path / "given.py"
    given.write_text("_base_ = './derived.py'\ntrain_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)\n")
    convert(monkeypatch, published, tmp_path / "ours.pth", "--config", given)
    written, wanted = (load_config(tmp_path / name) for name in ("ours.py", "given.py"))
    assert written.pop("work_dir") != wanted.pop("work_dir")
    assert written.to_dict() == wanted.to_dict() and written.train_cfg.max_epochs == 3


def test_an_error_is_one_line_with_status_2_and_no_file(tmp_path: Path) -> None:
    source = tmp_path / "half.pkl"
    source.write_bytes(pickle.dumps({"model": {"sem_seg_head.predictor.query_embed.weight": np.zeros((4, 8))}}))
    result = run_tool("model_converters/convert.py", source, tmp_path / "out.pth", cwd=tmp_path)
    assert result.returncode == 2
    assert "half.pkl is half a model, without a backbone: sem_seg_head.predictor.query_embed.weight" in result.stdout
    assert "Traceback" not in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.pkl"]
