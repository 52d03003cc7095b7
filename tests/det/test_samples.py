"""Targets from mmdet's samples, whatever the task, and what is wrong with samples."""

import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from tiny_detectors import STUFF, THINGS, samples

from mmmaskformer.det.samples import geometry_of, input_size, segment_targets

SIZES = [(64, 80), (48, 96)]


def targets(batch: list, num_stuff: int = STUFF):
    return segment_targets(batch, THINGS, num_stuff, ignore_index=255)


def test_panoptic_targets_are_instances_then_one_segment_a_class_of_stuff():
    batch = samples(SIZES)
    found = targets(batch)
    assert found.counts == [5, 5]
    assert found.labels.tolist() == [1, 1, 0, 3, 4, 1, 1, 2, 3, 4]
    assert found.masks.shape == (10, 64, 96)
    things, stuff = found.masks[:3], found.masks[3:5]
    assert torch.equal(things, batch[0].gt_instances.masks.to_tensor(torch.bool, "cpu"))
    assert not (things.any(0) & stuff.any(0)).any()
    valid = found.masks[5:].any(0)
    assert not valid[48:].any() and not valid[:4, :4].any(), "padding and void belong to no segment"


@pytest.mark.parametrize("truth", ["panoptic", "instance", "semantic"])
def test_targets_know_the_files(truth):
    found = targets(samples(SIZES, truth=truth))
    assert [found.name(image) for image in range(2)] == ["0.jpg", "1.jpg"]


def test_instance_targets_are_the_things_alone():
    alone = targets(samples(SIZES, truth="instance"))
    assert alone.labels.tolist() == [1, 1, 0, 1, 1, 2]
    without_stuff = targets(samples(SIZES), num_stuff=0)
    assert torch.equal(without_stuff.masks, alone.masks)


def test_semantic_targets_are_one_segment_a_class_present():
    found = targets(samples(SIZES, truth="semantic"))
    assert found.labels.tolist() == [0, 1, 3, 4, 1, 2, 3, 4]


def test_an_image_without_instances_beside_one_with_some():
    batch = samples(SIZES)
    batch[1].gt_instances = batch[1].gt_instances[torch.zeros(3, dtype=torch.bool)]
    assert targets(batch).counts == [5, 2]


def test_masks_may_be_a_tensor():
    batch = samples(SIZES)
    for sample in batch:
        sample.gt_instances.masks = sample.gt_instances.masks.to_tensor(torch.uint8, "cpu")
    assert torch.equal(targets(batch).masks, targets(samples(SIZES)).masks)


def break_label(batch):
    batch[1].gt_instances.labels[2] = THINGS


def negate_label(batch):
    batch[0].gt_instances.labels[0] = -1


def break_semantic_label(batch):
    batch[1].gt_sem_seg.sem_seg[0, 40, 0] = THINGS + STUFF


def mix(batch):
    batch[1].gt_instances = InstanceData()


def unpad_masks(batch):
    batch[1].gt_instances.masks = batch[1].gt_instances.masks.crop(torch.tensor([0, 0, 96, 48]).numpy())


def unpad_maps(batch):
    for sample in batch:
        sample.gt_sem_seg = PixelData(sem_seg=sample.gt_sem_seg.sem_seg[:, :48])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (break_label, "1.jpg: instance label 3, expected 0..2: does num_things_classes=3 fit"),
        (negate_label, "0.jpg: instance label -1, expected 0..2"),
        (break_semantic_label, "1.jpg: label 5 in the ground truth, expected 0..4"),
        (mix, "1.jpg and 0.jpg of one batch have different kinds of ground truth"),
        (unpad_masks, r"1.jpg: gt_instances.masks is \(48, 96\) but the padded batch is \(64, 96\): set pad_mask=True"),
        (unpad_maps, r"gt_sem_seg is \(48, 96\) but the padded batch is \(64, 96\): set pad_seg=True"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(spoil, words):
    batch = samples(SIZES)
    spoil(batch)
    with pytest.raises(ValueError, match=words):
        targets(batch)


def test_samples_without_ground_truth_or_preprocessor_are_refused():
    with pytest.raises(ValueError, match="0.jpg: neither instance masks nor a semantic map; does the pipeline load"):
        targets(samples(SIZES, truth=""))
    batch = samples(SIZES)
    del batch[0].batch_input_shape
    with pytest.raises(ValueError, match="0.jpg: no batch_input_shape; samples must come through mmdet's"):
        input_size(batch)


@pytest.mark.parametrize(("rescale", "output"), [(True, (40, 60)), (False, (48, 96))])
def test_results_are_cropped_to_the_image_and_sized_as_asked(rescale, output):
    geometry = geometry_of(samples(SIZES)[1].metainfo, (64, 96), rescale)
    assert (geometry.input_size, geometry.crop, geometry.output_size) == ((64, 96), (0, 0, 48, 96), output)
