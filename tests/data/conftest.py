"""A dataset for the tests of the cache."""

import pytest
from PIL import Image

from data.cache import open_shared
from helpers import load
from tiny_data import write_dataset


@pytest.fixture
def data(tmp_path):
    """Sixty images, of which two are not of the others' shape; no cache of them is open."""
    open_shared.cache_clear()
    data = load(write_dataset(tmp_path))
    for place, size in {7: (90, 33), 20: (33, 90)}.items():  # of any shape
        Image.effect_noise(size, 80).convert("RGB").save(data.image_paths[place])
    return data
