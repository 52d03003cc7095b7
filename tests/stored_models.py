"""Two small trained models that are kept in the tree, and what they predicted and lost when they were made.

    python tests/stored_models.py      # makes the files anew: only where results are meant to change

Each model has a config, a checkpoint and a file of results in ``tests/stored``: predictions of two images, and the
losses of three steps of training after that. All that the script uses is public: configs, the Runner's parts, samples
of mmseg and mmdet.
"""

import hashlib
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from numpy import ndarray
from torch import Tensor, nn

FOLDER = Path(__file__).with_name("stored")
NAMES = ("semantic", "panoptic")
SIZE = (64, 96)
THINGS, CLASSES = 3, 5
STEPS = 3


def build(name: str) -> nn.Module:
    """The model of ``stored/<name>.py`` with its own initial weights, drawn with seed 0."""
    from mmengine.registry import MODELS

    import mmmaskformer  # noqa: F401 - registers the models

    config = Config.fromfile(FOLDER / f"{name}.py")
    init_default_scope(config.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    return model


def load(name: str) -> nn.Module:
    """The model with the weights that are kept."""
    model = build(name)
    load_checkpoint(model, str(FOLDER / f"{name}.pth"), strict=True)
    return model.eval()


def scene() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two images (2, 3, H, W) uint8, their label maps (2, H, W), and labels (3,) and masks (2, 3, H, W) of things."""
    height, width = SIZE
    labels = torch.full((2, height, width), THINGS)
    labels[:, height // 2 :] = THINGS + 1
    kinds = torch.tensor([0, 0, 2])
    masks = torch.zeros(2, 3, height, width, dtype=torch.bool)
    for image, thing in np.ndindex(2, 3):
        top, left = 12 + 8 * image, 6 + 30 * thing
        masks[image, thing, top : top + 24, left : left + 20] = True
        labels[image][masks[image, thing]] = kinds[thing]
    labels[:, :2, :2] = 255
    colors = torch.tensor([[220, 40, 40], [0, 0, 0], [40, 60, 220], [120, 200, 230], [60, 150, 60]])
    pixels = colors[labels.clamp(max=CLASSES - 1)].permute(0, 3, 1, 2)
    noise = torch.randint(-20, 21, pixels.shape, generator=torch.Generator().manual_seed(1))
    return (pixels + noise).clamp(0, 255).to(torch.uint8), labels, kinds, masks


def batch(name: str) -> dict[str, Any]:
    """What a data loader would give: images and samples with truth."""
    images, labels, kinds, masks = scene()
    meta = dict(img_shape=SIZE, ori_shape=SIZE, pad_shape=SIZE, batch_input_shape=SIZE)
    if name == "semantic":
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        samples = [
            SegDataSample(gt_sem_seg=PixelData(data=truth[None]), metainfo=dict(meta, img_path=f"{index}.png"))
            for index, truth in enumerate(labels)
        ]
        return dict(inputs=list(images), data_samples=samples)
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData, PixelData

    samples = []
    for index, truth in enumerate(labels):
        sample = DetDataSample(metainfo=dict(meta, img_path=f"{index}.png"))
        things = BitmapMasks(masks[index].numpy().astype(np.uint8), *SIZE)
        sample.gt_instances = InstanceData(labels=kinds, masks=things)
        sample.gt_sem_seg = PixelData(sem_seg=truth[None].to(torch.uint8))
        samples.append(sample)
    return dict(inputs=list(images), data_samples=samples)


def train(name: str, model: nn.Module, steps: int) -> ndarray:
    """Loss of each of some steps of AdamW on the batch, (steps,) float64; the model is left in evaluation."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        data = model.data_preprocessor(batch(name), True)
        loss, _ = model.parse_losses(model(**data, mode="loss"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return np.array(losses)


@torch.no_grad()
def predict(name: str, model: nn.Module) -> dict[str, ndarray]:
    """Label maps and, of the panoptic model, which segment each pixel is of, and scores of instances."""
    data = model.data_preprocessor(batch(name), False)
    samples = model(**data, mode="predict")
    if name == "semantic":
        scores = model.encode_decode(data["inputs"], [sample.metainfo for sample in samples])
        return dict(
            labels=np.stack([sample.pred_sem_seg.data[0].numpy() for sample in samples]).astype(np.uint8),
            scores=scores[:, :, ::8, ::8].numpy(),
        )
    codes = np.stack([sample.pred_panoptic_seg.sem_seg[0].numpy() for sample in samples])
    return dict(
        labels=np.stack([sample.pred_sem_seg.sem_seg[0].numpy() for sample in samples]).astype(np.uint8),
        segment_classes=(codes % 1000).astype(np.uint8),
        segments=np.stack([_numbered(code) for code in codes]),
        scores=np.stack([sample.pred_instances.scores.numpy() for sample in samples]),
        instances=np.stack([sample.pred_instances.masks.numpy()[:, ::4, ::4] for sample in samples]),
    )


def _numbered(code: ndarray) -> ndarray:
    """The same regions numbered in the order in which they begin."""
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse.reshape(code.shape)].astype(np.uint8)


def results(name: str) -> dict[str, ndarray]:
    """Predictions with the kept weights, and losses of the training that follows."""
    torch.manual_seed(0)
    model = load(name)
    return {**predict(name, model), "losses": train(name, model, STEPS)}


def machine() -> str:
    """What results are equal to the last bit on: processor, what it can do, and torch."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    kind = sorted({line for line in lines if line.startswith(("model", "cpu family", "flags", "Features"))})
    digest = hashlib.sha256("".join([platform.processor(), *kind]).encode()).hexdigest()[:12]
    return f"{platform.machine()} {digest} torch {torch.__version__}"


def main() -> None:
    torch.set_num_threads(1)
    for name in NAMES:
        model = build(name)
        print(f"{name}: loss {train(name, model, 400)[[0, -1]]}")
        meta = dict(dataset_meta=dict(classes=[str(number) for number in range(CLASSES)]))
        torch.save(dict(meta=meta, state_dict=model.state_dict()), FOLDER / f"{name}.pth")
        np.savez_compressed(FOLDER / f"{name}.npz", machine=machine(), **results(name))
    size = sum(file.stat().st_size for file in FOLDER.iterdir())
    print(f"{FOLDER}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
