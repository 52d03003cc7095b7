"""What flows through the house: factorized predictions and ground-truth segments."""

import pytest
import torch

from mmmaskformer.structures import MaskPredictions, SegmentTargets


def test_mask_logits_are_the_dot_product_of_the_queries_asked_for():
    embeds, pixels = torch.randn(2, 3, 4, 5), torch.randn(3, 5, 6, 7)
    predictions = MaskPredictions.from_embeddings(torch.randn(2, 3, 4, 8), embeds, pixels)
    expected = (embeds[0, 1, 2][:, None, None] * pixels[1]).sum(0)
    torch.testing.assert_close(predictions.mask_logits(0, torch.tensor([2, 0]))[1, 0], expected)
    assert predictions.mask_logits().shape == (3, 4, 6, 7)
    assert (predictions.num_layers, predictions.num_queries, predictions.num_classes) == (2, 4, 7)


def test_segments_are_the_classes_present_in_rising_order_without_void():
    maps = torch.tensor([[[3, 3], [255, 1]], [[255, 255], [255, 255]], [[0, 0], [0, 0]]])
    targets = SegmentTargets.from_semantic_maps(maps, num_classes=4, ignore_index=255)
    assert targets.counts == [2, 0, 1]
    assert targets.labels.tolist() == [1, 3, 0]
    assert targets.masks[0].tolist() == [[False, False], [False, True]]
    assert targets.masks[1].tolist() == [[True, True], [False, False]]


def test_an_ignore_index_inside_the_classes_range_is_void_too():
    targets = SegmentTargets.from_semantic_maps(torch.tensor([[[0, 2]]]), num_classes=3, ignore_index=2)
    assert targets.labels.tolist() == [0]


@pytest.mark.parametrize("label", [4, 254, -1])
def test_a_label_out_of_range_is_named_with_its_file(label):
    maps = torch.tensor([[[0]], [[label]]])
    with pytest.raises(ValueError, match=rf"b\.png: label {label} .* expected 0\.\.3 or the ignore index 255"):
        SegmentTargets.from_semantic_maps(maps, 4, 255, names=["a.png", "b.png"])


def test_values_of_segments_of_different_counts_are_padded():
    masks = torch.rand(3, 8, 12) > 0.5
    targets = SegmentTargets.from_segments([torch.tensor([5]), torch.tensor([1, 2])], [masks[:1], masks[1:]])
    assert targets.pad(targets.labels).tolist() == [[5, 0], [1, 2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("most", [1, 2, 10])
def test_masks_come_in_parts_of_the_images_that_have_some_downsampled_to_the_nearest_pixel(most, dtype):
    counts = [1, 0, 5, 2]
    masks = torch.rand(sum(counts), 8, 12) > 0.5
    targets = SegmentTargets.from_segments([torch.zeros(n) for n in counts], masks.split(counts))
    expected = torch.nn.functional.interpolate(masks[None].to(dtype), size=(2, 3), mode="nearest")[0].flatten(1)
    found = torch.full((4, 5, 6), -1, dtype=dtype)
    for images, segments, part in targets.padded_masks((2, 3), most, dtype):
        assert part.shape[:2] == (len(images), segments.stop - segments.start)
        assert part.shape[1] <= most and all(counts[image] > segments.start for image in images)
        found[images, segments] = part
    for image, own in enumerate(expected.split(counts)):
        torch.testing.assert_close(found[image, : counts[image]], own)
        assert found[image, counts[image] :].le(0).all()


def test_names_of_images_go_with_their_segments_or_are_their_numbers():
    one = SegmentTargets.from_segments([torch.zeros(1), torch.zeros(0)], [torch.ones(1, 4, 4), torch.ones(0, 4, 4)])
    named = SegmentTargets.from_semantic_maps(torch.zeros(2, 4, 4), 3, 255, names=["a.png", "b.png"])
    assert one.name(1) == "image 1 of the batch"
    assert [targets.name(1) for targets in (named, one.with_more(named), named.with_more(one))] == ["b.png"] * 3


def test_segments_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match=r"labels \(2,\), masks \(1, 4, 4\) and counts \[2\]"):
        SegmentTargets(torch.zeros(2, dtype=torch.long), torch.zeros(1, 4, 4, dtype=torch.bool), [2])
