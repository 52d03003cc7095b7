"""One training step on each rank's share of a batch; a module of its own, since new processes import it by name."""

import torch
import torch.distributed as dist
from tiny_models import build_segmentor, label_maps, samples

SIZE = (64, 96)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Four images whose numbers of segments differ, so that means over ranks and over images differ too."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(4, 3, *SIZE, generator=generator)
    maps = label_maps(*SIZE, batch=4)
    maps[0] = 255
    maps[1] = 1
    return images, maps


def losses_and_gradients(void_rank: bool = False) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """One step of a model in evaluation on this rank's share of the batch (all of it without a process group)."""
    images, maps = batch()
    if void_rank:
        maps[:2] = 255
    model = build_segmentor()
    share = slice(None)
    if dist.is_initialized():
        rank = dist.get_rank()
        share = slice(2 * rank, 2 * rank + 2)
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
    else:
        wrapped = model
    losses = wrapped(images[share], samples(maps[share]), mode="loss")
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    return {name: value.detach() for name, value in losses.items()}, gradients
