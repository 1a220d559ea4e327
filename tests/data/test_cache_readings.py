"""A cache serves no pixels that were read by a former rule, or of other bands."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from data.cache import open_cache, open_shared, stamp
from data.pipeline import dsva_preprocessing
from data.store import Store
from deep_pictures import (
    ELEVEN_BITS,
    FAR,
    PHOTOGRAPH,
    needs_rasterio,
    photograph,
    write_geotiff,
    write_png16,
    write_tiff,
)

pytestmark = pytest.mark.usefixtures("forgotten_notes")


def decoded(folder, files, bands=None):
    """Through the cache on disk, as uint8 [3, H, W] each.  Returns them, and how many were decoded."""
    open_shared.cache_clear()
    how = dsva_preprocessing(32, "imagenet", bands)
    missing = Store(folder, how).missing(files, [stamp(file) for file in files])
    images = open_cache("disk", files, how, folder, 0, torch.device("cpu"))
    return [images[place] for place in range(len(files))], len(missing)


def make_older(folder):
    """As a version wrote it that knew no other reading: six numbers a line."""
    index = folder / "37.jsonl"
    head, *lines = index.read_text().splitlines()
    older = [json.dumps(json.loads(line)[:7]) for line in lines]
    index.write_text("\n".join([head, *older]) + "\n")


def test_pixels_of_the_former_rule_are_not_served(tmp_path):
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "a.png")
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "b.jpg")
    write_tiff(tmp_path / "c.tif", PHOTOGRAPH)
    files = [tmp_path / "a.png", tmp_path / "b.jpg", tmp_path / "c.tif"]
    files.append(write_png16(tmp_path / "d.png", ELEVEN_BITS))
    files.append(write_tiff(tmp_path / "e.tif", np.dstack([PHOTOGRAPH, FAR]), extra=2))
    files.append(write_tiff(tmp_path / "f.tif", ELEVEN_BITS[..., :1].astype(np.float32)))
    folder = tmp_path / "cache"
    folder.mkdir()
    before, count = decoded(folder, files)
    assert count == 6
    make_older(folder)
    after, count = decoded(folder, files)
    assert count == 3  # what was read rightly before is not decoded again
    assert all(torch.equal(one, other) for one, other in zip(before, after))
    assert decoded(folder, files)[1] == 0


@needs_rasterio
def test_other_bands_are_other_pixels(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    files = [write_geotiff(tmp_path / "x.tif", photograph(bands=4), photometric="RGB", alpha="unspecified")]
    (usual,), _ = decoded(folder, files)
    (false,), count = decoded(folder, files, [4, 3, 2])
    assert count == 1 and not torch.equal(usual, false)
    assert {file.name for file in folder.glob("*.pixels")} == {"37.pixels", "37-bands-4-3-2.pixels"}
