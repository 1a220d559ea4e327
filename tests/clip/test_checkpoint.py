"""What the files of a checkpoint must say of each other."""

import json

import pytest
import torch

from clip import Clip
from helpers import write_whole_clip
from support.errors import InputError


@pytest.fixture
def folder(tmp_path):
    return write_whole_clip(tmp_path / "clip")


def change_image_processor(folder, **changes):
    for file in (folder / "preprocessor_config.json", folder / "processor_config.json"):
        config = json.loads(file.read_text()) if file.is_file() else {}
        images = config.get("image_processor", config)
        if "size" in images:
            images.update(changes)
            file.write_text(json.dumps(config))


def test_a_clip_prepares_pictures_as_its_processor_does(folder):
    how = Clip(folder, torch.device("cpu")).preprocessing
    assert (how.size, how.shorter_side, how.bicubic) == (32, 36, True)
    assert (how.mean, how.std) == ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


@pytest.mark.parametrize(
    "changes, says",
    [
        (
            {"size": {"shortest_edge": 30}},
            "resizes images to 30 pixels, but CLIP's vision tower there looks at 32",
        ),
        ({"size": {"longest_edge": 36}}, "expected size with shortest_edge"),
        ({"image_mean": [0.5, 0.5]}, "image_mean and image_std of three numbers"),
        ({"image_std": [0.2, 0.3, 0.2, 0.1]}, "image_mean and image_std of three numbers"),
    ],
)
def test_an_image_processor_that_does_not_fit_the_tower_is_refused(folder, changes, says):
    change_image_processor(folder, **changes)
    with pytest.raises(InputError, match=says):
        Clip(folder, torch.device("cpu"))
