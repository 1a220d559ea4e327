"""What a GPU computes is what the CPU computes."""

import copy

import pytest
import torch
from transformers import CLIPVisionConfig

from clip.checkpoint import build_tower
from dsva.engine import evaluate, make_optimizer, train_one_epoch
from dsva.losses import Criterion
from dsva.network import DSVA
from dsva.windows import (
    crop_windows,
    label_components,
    largest_boxes,
    largest_components,
    largest_components_batched,
)
from runs.options import LOSS_WEIGHTS
from tiny_data import SMALL

pytestmark = pytest.mark.gpu
GROUPS = [[0, 1], [2, 3], [4, 5]]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def network() -> DSVA:
    torch.manual_seed(0)
    config = CLIPVisionConfig(**SMALL, image_size=32, patch_size=8)
    network = DSVA(build_tower(config), attributes=6, window_groups=GROUPS)
    torch.nn.init.normal_(network.prototypes, std=0.1)
    return network


@pytest.fixture
def batches() -> list:
    random = torch.Generator().manual_seed(0)
    return [(torch.randn(6, 3, 32, 32, generator=random), torch.arange(6) % 4) for _ in range(3)]


@pytest.fixture
def class_attributes():
    return torch.rand(6, 5, generator=torch.Generator().manual_seed(1))


def on(device, batches) -> list:
    return [(images.to(device), labels.to(device)) for images, labels in batches]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.6, 1.0])
def test_windows_are_labelled_together_as_one_by_one(device, share):
    """As scipy labels them, at the size of a picture."""
    masks = torch.rand(5, 224, 224, generator=torch.Generator().manual_seed(0)) < share
    one_by_one = largest_components(masks)
    assert torch.equal(largest_components_batched(masks.to(device)).cpu(), one_by_one)
    assert torch.equal(largest_boxes(masks.to(device)).cpu(), largest_boxes(masks))


def test_a_line_that_winds_through_all_of_a_mask_is_one_component(device):
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, ::2] = True
    mask[:, 1::4, -1] = True
    mask[:, 3::4, 0] = True
    labels = label_components(mask.to(device)).cpu()
    assert torch.equal(labels > 0, mask) and len(labels.unique()) == 2


def test_windows_are_cut_out_alike(device):
    random = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 32, 32, generator=random)
    boxes = torch.tensor([[0, 0, 32, 32], [3, 5, 10, 20], [31, 31, 1, 1]])
    windows = crop_windows(images.to(device), boxes.to(device))
    torch.testing.assert_close(windows.cpu(), crop_windows(images, boxes), **CLOSE)


def test_outputs_and_windows_agree(device, network, batches, class_attributes):
    images, _ = batches[0]
    with torch.no_grad():
        expected = network(images, class_attributes, windows=True)
        found = copy.deepcopy(network).to(device)(images.to(device), class_attributes.to(device), True)
    assert torch.equal(found.boxes.cpu(), expected.boxes)
    for branch, scores in expected.class_scores().items():
        torch.testing.assert_close(found.class_scores()[branch].cpu(), scores, **CLOSE)
    torch.testing.assert_close(found.maps.cpu(), expected.maps, **CLOSE)


@pytest.mark.parametrize("full, windows", [(False, False), (True, True)])
def test_an_epoch_has_the_same_losses_and_an_evaluation_the_same_probabilities(
    device, network, batches, class_attributes, full, windows
):
    results = []
    for place in (torch.device("cpu"), device):
        model = copy.deepcopy(network).to(place)
        M = class_attributes.to(place)
        criterion = Criterion(dict.fromkeys(LOSS_WEIGHTS, 1.0), GROUPS, "logits", model.grid).to(place)
        optimizer = make_optimizer(model, full, 1e-4, (0.5, 0.999))
        classes = torch.arange(4).numpy()
        losses = train_one_epoch(
            model, criterion, optimizer, on(place, batches), M, classes, full, windows, "epoch"
        )
        probabilities, labels = evaluate(model, on(place, batches), M, classes, windows, "test")
        results.append((losses, probabilities, labels.tolist()))
    expected, found = results
    assert found[0] == pytest.approx(expected[0], rel=1e-3, abs=1e-5)
    assert found[2] == expected[2]
    for branch, values in expected[1].items():
        assert found[1][branch] == pytest.approx(values, rel=1e-2, abs=1e-4)
