"""One pipeline from a picture file to what a network takes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from data.images import read_image
from data.pipeline import (
    Images,
    Normalize,
    Preprocessing,
    dsva_preprocessing,
    image_loader,
    load_image,
    squeeze,
)
from helpers import load
from support.errors import InputError
from tiny_data import write_dataset

CPU = torch.device("cpu")
DSVA = dsva_preprocessing(32, "imagenet")
CLIP = Preprocessing(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), bicubic=True)


def scenes(data) -> Images:
    return Images(data.image_paths, DSVA, data.labels)


def test_test_images_go_through_the_published_transform(root):
    data = load(root)
    published = transforms.Compose(
        [
            transforms.Resize(37),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    image, label = scenes(data)[20]
    assert image.dtype == torch.uint8 and label == 4
    torch.testing.assert_close(Normalize(DSVA)(image[None])[0], published(Image.open(data.image_paths[20])))


def test_a_draw_decides_crop_and_flip(root):
    images = scenes(load(root))
    torch.testing.assert_close(images[20, 5][0], images[20, 5][0])
    seen = {images[20, draw][0].numpy().tobytes() for draw in range(60)}
    assert len(seen) > 40  # 6 x 13 crops, flipped or not


def test_clip_normalisation_differs():
    grey = torch.full((1, 3, 2, 2), 128, dtype=torch.uint8)
    assert Normalize(dsva_preprocessing(32, "clip"))(grey)[0, :, 0, 0].tolist() == pytest.approx(
        [
            (128 / 255 - m) / d
            for m, d in zip((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        ],
        rel=1e-5,
    )


@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "cut off"])
def test_a_corrupt_image_is_named(tmp_path, content):
    data = load(write_dataset(tmp_path))
    path = data.image_paths[0]
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(InputError, match="cannot read the image .*Class0.image_0.png"):
        scenes(data)[0]


def test_the_shorter_side_is_in_the_published_proportion():
    assert dsva_preprocessing(224, "imagenet").shorter_side == 256
    assert dsva_preprocessing(32, "imagenet").shorter_side == 37


def test_bicubic_pictures_are_those_of_clip(root):
    path = load(root).image_paths[20]
    clip = transforms.Compose([transforms.Resize(32, InterpolationMode.BICUBIC), transforms.CenterCrop(32)])
    expected = np.asarray(clip(Image.open(path))).transpose(2, 0, 1)
    assert np.array_equal(load_image(path, CLIP), expected)


def test_squeezing_keeps_all_of_a_picture(root):
    picture = read_image(load(root).image_paths[20])
    assert squeeze(picture, DSVA).shape == (3, 32, 32)
    half = Image.new("RGB", (40, 20))
    half.paste((255, 255, 255), (0, 0, 20, 20))
    assert squeeze(half, DSVA)[0].float().mean() == pytest.approx(255 / 2, abs=5)


def test_without_labels_an_image_has_its_own_index(root):
    assert Images(load(root).image_paths, DSVA)[20][1] == 20


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_gives_normalised_batches_and_labels(root, workers):
    data = load(root)
    loader = image_loader(scenes(data), [[0, 20], [(7, 3)]], workers, CPU)
    batches = list(loader)
    assert len(loader) == len(batches) == 2
    (images, labels), (drawn, _) = batches
    assert images.shape == (2, 3, 32, 32) and images.dtype == torch.float32
    assert labels.tolist() == [0, 4]
    assert torch.equal(images[1], Normalize(DSVA)(scenes(data)[20][0][None])[0])
    assert torch.equal(drawn[0], Normalize(DSVA)(load_image(data.image_paths[7], DSVA, 3)[None])[0])
