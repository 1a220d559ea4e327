"""What is counted of a picture's looks, and how far those of other pictures are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data.appearance import FEWEST_CLASSES, Appearance, appearance, appearance_of_classes

NUMBERS = 53


def pictures(count=4, side=64, seed=0):
    """Soft coloured noise, uint8 [count, 3, side, side]."""
    torch.manual_seed(seed)
    small = torch.rand(count, 3, side // 4, side // 4)
    soft = F.interpolate(small, (side, side), mode="bilinear") + 0.05 * torch.randn(count, 3, side, side)
    return (255 * soft.clamp(0, 1)).byte()


@pytest.mark.parametrize("side", [32, 64, 224])
def test_there_are_as_many_numbers_of_any_picture(side):
    numbers = appearance(pictures(side=side))
    assert numbers.shape == (4, NUMBERS) and numbers.dtype == torch.float64 and numbers.isfinite().all()


@pytest.mark.parametrize("side", [2, 5, 16, 64])
@pytest.mark.parametrize("value", [0, 255])
def test_nothing_is_infinite_of_a_picture_of_one_colour(side, value):
    assert appearance(torch.full((2, 3, side, side), value, dtype=torch.uint8)).isfinite().all()


def test_a_picture_has_its_numbers_in_any_batch():
    images = pictures(6)
    together = appearance(images)
    alone = torch.cat([appearance(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_colours_and_brightness_are_what_they_are_called():
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    images[:, 0] = 255  # red
    images[:, 1, :, 32:] = 51  # a fifth of green in the right half
    numbers = appearance(images)[0]
    np.testing.assert_allclose(numbers[:3], [1, 0.1, 0], atol=1e-6)
    np.testing.assert_allclose(numbers[3:6], [0, 0.1, 0], atol=1e-4)
    np.testing.assert_allclose(numbers[6:8], [1, 0], atol=1e-6)  # saturation
    np.testing.assert_allclose(numbers[[10, 14]], [1 / 3, 1.2 / 3], atol=1e-4)  # darkest and brightest grey


@pytest.mark.parametrize("change", ["blurred", "grey", "noisy", "enlarged", "darker"])
def test_another_kind_of_picture_has_other_numbers(change):
    images = pictures(16).float()
    changed = {
        "blurred": F.avg_pool2d(images, 3, stride=1, padding=1),
        "grey": images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1),
        "noisy": images + 20 * torch.randn(images.shape),
        "enlarged": F.interpolate(images[..., 16:48, 16:48], (64, 64), mode="bilinear"),
        "darker": images / 2,
    }[change]
    before, after = appearance(images.byte()), appearance(changed.clamp(0, 255).byte())
    moved = (after.mean(dim=0) - before.mean(dim=0)).abs() / before.std(dim=0)
    assert (moved > 3).any()


# ---- of classes ------------------------------------------------------------------------------------


def numbers_of_classes(classes=10, each=12, size=5, seed=0):
    """[n, size], and labels [n]: classes lie around 0 with deviation 3, pictures around these with 1."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=3, size=(classes, size))
    labels = np.repeat(np.arange(classes), each)
    return centres[labels] + rng.normal(size=(len(labels), size)), labels


def test_means_and_deviations_are_those_of_the_classes():
    numbers, labels = numbers_of_classes()
    found = appearance_of_classes(numbers, labels)
    scaled = numbers / found.scale
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-3)
    for c in range(10):
        np.testing.assert_allclose(found.means[c], scaled[labels == c].mean(axis=0))
    of_classes = [np.cov(scaled[labels == c].T, ddof=0) for c in range(10)]
    np.testing.assert_allclose(found.within, np.mean(of_classes, axis=0))
    assert found.counts.tolist() == [12] * 10


def test_too_few_classes_tell_nothing():
    numbers, labels = numbers_of_classes(FEWEST_CLASSES)
    assert appearance_of_classes(numbers, labels) is not None
    assert appearance_of_classes(numbers[labels > 0], labels[labels > 0]) is None


def test_the_distance_is_that_of_the_formula():
    looks = Appearance(
        means=np.array([[1.0, 0], [-1, 0], [0, 2], [0, -2]]),
        within=np.diag([3.0, 6.0]),
        counts=np.full(4, 5),
        scale=np.ones(2),
    )
    between = np.diag([2 / 3, 8 / 3])  # of the four means
    expected = between + np.diag([1.0, 2.0])  # and that of three pictures of a class
    sphere = np.trace(expected) / 2 * np.eye(2)
    shrunk = 0.9 * expected + 0.1 * sphere
    mean = np.array([2.0, 1.0])
    distance = np.sqrt(mean @ np.linalg.inv(shrunk) @ mean / 2)
    assert looks.distance(mean, 3) == pytest.approx(distance)
    assert looks.own_distances.shape == (4,)
    without = replace(looks, means=looks.means[1:], counts=looks.counts[1:])
    assert looks.own_distances[0] == pytest.approx(without.distance(looks.means[0], 5))
