"""Checkpoints, predictions and training of earlier commits stay what they were."""

import numpy as np
import pytest
import stored_models
import torch


@pytest.mark.parametrize("name", stored_models.NAMES)
def test_a_stored_model_predicts_and_trains_as_when_it_was_stored(name):
    stored = np.load(stored_models.FOLDER / f"{name}.npz")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        now = stored_models.results(name)
    finally:
        torch.set_num_threads(threads)
    same_machine = str(stored["machine"]) == stored_models.machine()
    assert set(now) == set(stored.files) - {"machine"}
    for key, value in now.items():
        if same_machine or value.dtype.kind != "f":
            np.testing.assert_array_equal(value, stored[key], err_msg=key)
        else:
            np.testing.assert_allclose(value, stored[key], rtol=1e-6, atol=1e-6, err_msg=key)


def test_the_stored_models_have_something_to_lose():
    semantic, panoptic = (np.load(stored_models.FOLDER / f"{name}.npz") for name in stored_models.NAMES)
    assert len(np.unique(semantic["labels"])) >= 4
    assert len(np.unique(panoptic["segments"])) >= 5
    assert panoptic["scores"].max() > 0.5
