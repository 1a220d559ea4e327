"""Pictures that lie on a GPU are cut, flipped and normalised as those that are read one by one."""

import numpy as np
import pytest
import torch

from data.appearance import appearance
from data.cache import open_cache, open_shared
from data.decoded import Decoded
from data.pipeline import Images, ImagesOnDevice, dsva_preprocessing, image_loader
from helpers import load
from support.machine import use_deterministic_algorithms

pytestmark = pytest.mark.gpu
HOW = dsva_preprocessing(32, "imagenet")
CPU = torch.device("cpu")
KEYS = [(0, 1), 3, (5, 7), (5, 8), (11, 2**31 - 1), 20]


@pytest.fixture
def data(root):
    yield load(root)
    open_shared.cache_clear()  # other tests want their own pictures


def images_of(data, kind, device) -> Images:
    decoded = open_cache(kind, data.image_paths, HOW, None, 0, device)
    return Images(data.image_paths, HOW, data.labels, decoded)


def on_device(images: Images, device) -> Images:
    """The same with its pixels in a tensor, as they are on a GPU."""
    content = torch.as_tensor(np.asarray(images.decoded.content)).to(device)
    return Images(images.paths, HOW, images.labels, Decoded(content, images.decoded.places))


def test_a_batch_is_cut_out_as_its_pictures_are_one_by_one(data, device):
    images = images_of(data, "memory", CPU)
    pixels, labels = ImagesOnDevice(on_device(images, device))[KEYS]
    assert pixels.device.type == device.type and pixels.dtype == torch.uint8
    expected = [images[key] for key in KEYS]
    assert torch.equal(pixels.cpu(), torch.stack([picture for picture, _ in expected]))
    assert labels.tolist() == [label for _, label in expected]


@pytest.mark.parametrize("kind", ["none", "memory", "device"])
def test_every_cache_gives_the_batches_of_the_cpu(data, device, kind):
    batches = [KEYS[:3], KEYS[3:]]
    expected = list(image_loader(images_of(data, "none", CPU), batches, 0, CPU))
    open_shared.cache_clear()
    found = list(image_loader(images_of(data, kind, device), batches, 0, device))
    for (pictures, labels), (right, right_labels) in zip(found, expected):
        assert pictures.device.type == device.type
        torch.testing.assert_close(pictures.cpu(), right, rtol=1e-6, atol=1e-6)
        assert torch.equal(labels.cpu(), right_labels)


@pytest.mark.filterwarnings("error")
def test_how_pictures_look_is_told_without_a_warning(device):
    """In a training torch is asked to be deterministic, and warns of what is not."""
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    use_deterministic_algorithms()
    try:
        found = appearance(images.to(device))
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found, appearance(images), rtol=1e-3, atol=1e-5)
