"""One training step on each rank's share of a batch; a module of its own, since new processes import it by name."""

import torch
import torch.distributed as dist
from launching import run_on_ranks
from tiny_detectors import build_detector, head_config
from tiny_detectors import samples as detection_samples
from tiny_models import PLACED, build_segmentor, label_maps, samples

from mmmaskformer.engine.hooks.ground_truth import LabelCounts

SIZE = (64, 96)


def assert_two_ranks_are_one_batch(kind: str, void_rank: bool = False) -> None:
    """Two ranks have the loss and the gradients of one process with the doubled batch.

    Args:
        kind: "segmentor" or "detector".
        void_rank: whether the first rank sees no segment at all.
    """
    losses, gradients = losses_and_gradients(kind, void_rank)
    by_rank = run_on_ranks(losses_and_gradients, 2, kind, void_rank)
    for name, value in losses.items():
        mean = sum(rank_losses[name] for rank_losses, _ in by_rank) / 2
        torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
    for name, gradient in gradients.items():
        assert gradient is not None, f"{name} has no gradient"
        for _, rank_gradients in by_rank:
            difference = (rank_gradients[name] - gradient).abs().max()
            assert difference <= 1e-4 * gradient.abs().max() + 1e-7, f"{name} differs by {difference}"


def losses_and_gradients(kind: str, void_rank: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """One step of a model in evaluation on this rank's share of the batch (all of it without a process group)."""
    images = torch.randn(4, 3, *SIZE, generator=torch.Generator().manual_seed(5))
    model, batch = (segmentor_and_batch if kind == "segmentor" else detector_and_batch)(void_rank)
    share = slice(None)
    wrapped = model
    if dist.is_initialized():
        rank = dist.get_rank()
        share = slice(2 * rank, 2 * rank + 2)
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
    losses = wrapped(images[share], batch[share], mode="loss")
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    return {name: value.detach() for name, value in losses.items()}, gradients


def segmentor_and_batch(void_rank: bool) -> tuple[torch.nn.Module, list]:
    """Four images whose numbers of segments differ, so that means over ranks and over images differ too."""
    maps = label_maps(*SIZE, batch=4)
    maps[0] = 255
    maps[1] = 255 if void_rank else 1
    return build_segmentor(), samples(maps)


def detector_and_batch(void_rank: bool) -> tuple[torch.nn.Module, list]:
    """The same for panoptic ground truth, with masked attention, pooled names, places and pilots."""
    batch = detection_samples([SIZE] * 4)
    for sample in batch[: 2 if void_rank else 1]:
        sample.gt_instances = sample.gt_instances[torch.zeros(3, dtype=torch.bool)]
        sample.gt_sem_seg.sem_seg.fill_(255)
    return build_detector(head_config(**{**PLACED, "pilots": dict(PLACED["pilots"], label_noise=0.0)})), batch


def count_labels() -> tuple[dict[int, int], int]:
    """What all ranks together count in two label maps of each; rank 1 has the void pixels."""
    counts = LabelCounts()
    for _ in range(2):
        counts.add(torch.tensor([[0, 0, 0 if dist.get_rank() else 1, 255 if dist.get_rank() else 1]]))
    counts = counts.of_all_ranks()
    return dict(counts.pixels), counts.images
