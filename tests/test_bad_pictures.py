"""Pictures that are nearly right, and folders of them."""

import io
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

import prepare
from data import rasters
from data.images import read_image
from data.pipeline import Images, Preprocessing, dsva_preprocessing, load_image
from deep_pictures import write_png16, write_tiff
from fuzzing import MEMORY, cases, ends_well, folder
from helpers import start
from inference import scenes
from nearly_right import CLASS_NAMES, nearly_bytes

pytestmark = pytest.mark.usefixtures("quick")
KINDS = [
    ("RGB", "PNG"),
    ("P", "PNG"),
    ("I;16", "PNG"),
    ("LA", "PNG"),
    ("RGB", "JPEG"),
    ("CMYK", "JPEG"),
    ("L", "JPEG"),
    ("RGB", "TIFF"),
    ("F", "TIFF"),
    ("1", "TIFF"),
    ("P", "GIF"),
    ("RGB", "BMP"),
    ("P", "BMP"),
    ("RGB", "WEBP"),
    ("RGB", "JPEG2000"),
    ("RGB", "PPM"),
    ("RGBA", "TGA"),
    ("RGB", "ICO"),
    ("RGB", "AVIF"),
    ("L", "PCX"),
    ("RGB", "DDS"),
    ("RGBA", "QOI"),
    ("RGB", "SGI"),
    ("P", "IM"),
]
DSVA = dsva_preprocessing(32, "imagenet")
CLIPS = Preprocessing(size=32, shorter_side=36, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2), bicubic=True)


@pytest.fixture(scope="module")
def pictures() -> list:
    """Of each kind its ending and the bytes of a picture."""
    noise = np.random.default_rng(0).integers(0, 255, (24, 20, 3)).astype(np.uint8)
    made = []
    for mode, kind in KINDS:
        for size in ((20, 24), (1, 1), (200, 3)):
            image = Image.fromarray(noise)
            if mode == "I;16":
                image = image.convert("L")
            file = io.BytesIO()
            image.convert(mode).resize(size).save(file, kind)
            made.append((kind.lower(), file.getvalue()))
    return made


@st.composite
def any_picture(draw):
    """The ending and the bytes of a PNG or a TIFF of any depth, type, number of bands and kind of values."""
    kind = draw(st.sampled_from(["png", "tif", "tif"]))
    types = ["u2"] if kind == "png" else ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"]
    dtype = np.dtype(draw(st.sampled_from(types)))
    bands = draw(st.integers(1, 4) if kind == "png" else st.sampled_from([1, 2, 3, 4, 5, 13]))
    shape = (*draw(st.sampled_from([(24, 20), (1, 1), (3, 200)])), bands)
    noise = np.random.default_rng(0).random(shape)
    low, high = draw(st.sampled_from([(0, 0), (0, 1), (7, 7), (0, 255), (0, 2047), (-300, 900), (0, 1e9)]))
    if dtype.kind == "f":
        values = (low + noise * (high - low)).astype(dtype)
        values[draw(st.sampled_from([slice(0), slice(1), slice(None)]))] = draw(
            st.sampled_from([math.nan, math.inf, -math.inf, 0])
        )
    else:
        limits = np.iinfo(dtype)
        values = (low + noise * (high - low)).clip(limits.min, limits.max).astype(dtype)
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        file = Path(place) / "x"
        if kind == "png":
            write_png16(file, values)
        else:
            order, photometric = draw(st.sampled_from("<>")), draw(st.sampled_from([None, 1, 2, 5]))
            write_tiff(file, values, order, photometric, draw(st.sampled_from([None, 0, 1, 2])))
        return kind, file.read_bytes()


@cases(0.3)
def test_pictures(pictures, data):
    kind, content = data.draw(st.sampled_from(pictures) | any_picture())
    bands = data.draw(st.sampled_from([None, None, (1, 1, 1), (4, 3, 2)]))
    with folder() as here:
        file = here / data.draw(st.sampled_from(["x", "x.png", "x.jpg", "x.tif", f"x.{kind}"]))
        file.write_bytes(data.draw(st.just(content) | nearly_bytes(content)))
        readers = [
            lambda: read_image(file, bands),
            lambda: scenes.open_scene(str(file), bands).overview(10),
            lambda: load_image(file, DSVA),
            lambda: load_image(file, DSVA, 5),
            lambda: Images([file], CLIPS)[0],
        ]
        look = data.draw(st.sampled_from(readers))
        with pytest.MonkeyPatch.context() as patch:
            if data.draw(st.booleans()):
                patch.setattr(rasters, "rasterio", None)
                patch.setattr(scenes, "rasterio", None)
            ends_well(look)


PLAIN_NAMES = ["Port", "port", "a b", "BaseballField", "0", "RSSDIVCS", "files", "cache", "train", "test"]
ODD_NAMES = ["é", "two\nlines", "_", "-", "x" * 200, ".hidden", "\udcff"]


@cases(0.04)
def test_class_folders(pictures, data):
    names = st.sampled_from([*PLAIN_NAMES, *ODD_NAMES, *CLASS_NAMES])
    with folder() as here:
        for name in data.draw(st.lists(names, max_size=4, unique=True)):
            (here / "photos" / name).mkdir(parents=True)
            for number in range(data.draw(st.integers(0, 4))):
                _, content = data.draw(st.sampled_from(pictures) | any_picture())
                content = data.draw(st.just(content) | nearly_bytes(content))
                usual = [f"{number}.png"] * 2
                file = data.draw(
                    st.sampled_from([*usual, f"é {number}.jpg", "RSSDIVCS_x.png", f"{number}.txt"])
                )
                (here / "photos" / name / file).write_bytes(content)
        words = [here / "photos", "--output", here / "out", "--unseen", 1, "--workers", 1]
        words += data.draw(st.sampled_from([[], ["--skip_bad"]]))
        ends_well(start, prepare, *words, output=here / "out")
