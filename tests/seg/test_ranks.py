"""Two ranks are one large batch: the same loss, the same gradients."""

import torch
from launching import run_on_ranks
from rank_step import losses_and_gradients


def assert_ranks_are_one_batch(void_rank: bool) -> None:
    losses, gradients = losses_and_gradients(void_rank)
    by_rank = run_on_ranks(losses_and_gradients, 2, void_rank)
    for name, value in losses.items():
        mean = sum(rank_losses[name] for rank_losses, _ in by_rank) / 2
        torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
    for name, gradient in gradients.items():
        assert gradient is not None, f"{name} has no gradient"
        for _, rank_gradients in by_rank:
            difference = (rank_gradients[name] - gradient).abs().max()
            assert difference <= 1e-4 * gradient.abs().max() + 1e-7, f"{name} differs by {difference}"


def test_loss_and_gradients_of_two_ranks_equal_one_process_with_the_doubled_batch():
    assert_ranks_are_one_batch(void_rank=False)


def test_a_rank_without_a_single_segment_still_trains_with_the_others():
    assert_ranks_are_one_batch(void_rank=True)
