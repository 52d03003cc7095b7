"""Two ranks are one large batch: the same loss, the same gradients."""

import pytest
from rank_step import assert_two_ranks_are_one_batch


@pytest.mark.parametrize("void_rank", [False, True], ids=["segments on both", "one without a segment"])
def test_loss_and_gradients_of_two_ranks_equal_one_process_with_the_doubled_batch(void_rank):
    assert_two_ranks_are_one_batch("segmentor", void_rank)
