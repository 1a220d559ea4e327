"""Files that are small on disk alone are refused before they fill the memory."""

import io
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import scipy.io

import predict
from deep_pictures import chunk
from fuzzing import COMMON
from helpers import start
from support.cli import REPOSITORY

MEBIBYTE = 2**20


def growth(*calls: str) -> int:
    """MiB by which the memory of a process grows that makes these calls, each of which ends with an
    InputError of one line."""
    program = f"""
import resource, sys
sys.path.insert(0, {str(REPOSITORY / "model")!r})
from support.errors import InputError
from data import images, matlab as dataset
from inference import scenes
from clip import teachers
import visualize
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // {1 if sys.platform != "darwin" else 1024}
before = peak()
for call in {calls}:
    try:
        eval(call)
    except InputError as error:
        assert chr(10) not in str(error)
    else:
        raise AssertionError(call)
print((peak() - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return int(done.stdout)


def png(side: int) -> bytes:
    """A black picture, without ever having it in memory."""
    packer, row = zlib.compressobj(9), bytes(1 + side // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(side: int) -> bytes:
    """The header of one, which claims it."""
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side)]
    tags.append((279, 2**32 - 1))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def test_pictures_that_are_small_on_disk_alone_are_refused(tmp_path):
    calls = []
    for make in (png, tiff):
        # where large images are welcome, Pillow would only warn of the smaller one
        for side in (47000, 60000):
            file = tmp_path / f"{side}.{make.__name__}"
            file.write_bytes(make(side))
            assert file.stat().st_size < MEBIBYTE
            calls += [f"{reader}({str(file)!r})" for reader in ("images.read_image", "scenes.Picture")]
    assert growth(*calls) < 100


def test_predicting_says_one_line_of_it(sound_files, tmp_path, capsys):
    shutil.copytree(sound_files / "RSSDIVCS" / "Class0", tmp_path / "photos")
    (tmp_path / "photos" / "x.png").write_bytes(png(47000))
    words = ["--resume", sound_files / "run" / "last.safetensors", "--tile", 32, *COMMON]
    start(predict, tmp_path / "photos", *words, "--output", tmp_path / "out")
    said = capsys.readouterr()
    assert said.err == "" and said.out.count("cannot read the image") == 1


def test_variables_that_are_small_on_disk_alone_are_refused(tmp_path):
    size = 2**32 - 4096
    packer = zlib.compressobj(9)
    header = io.BytesIO()
    scipy.io.savemat(header, {"labels": np.zeros((8, 1))})
    plain = bytearray(header.getvalue()[128:][:-72])  # flags, dimensions and name
    plain[4:8] = (len(plain) + size).to_bytes(4, "little")
    plain += (9).to_bytes(4, "little") + size.to_bytes(4, "little")
    packed = (
        packer.compress(bytes(plain))
        + b"".join(packer.compress(bytes(MEBIBYTE)) for _ in range(700))
        + packer.flush()
    )
    file = tmp_path / "x.mat"
    file.write_bytes(
        header.getvalue()[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    )
    assert file.stat().st_size < MEBIBYTE and growth(f"dataset.read_mat({str(file)!r}, ['labels'])") < 1100


def test_archives_that_are_small_on_disk_alone_are_refused(tmp_path):
    file = tmp_path / "x.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("names", "vectors"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array_header_1_0(
                    part, {"descr": "<f4", "fortran_order": False, "shape": (600 * MEBIBYTE // 4, 1)}
                )
                for _ in range(600):
                    part.write(bytes(MEBIBYTE))
    assert file.stat().st_size < 2 * MEBIBYTE and growth(f"teachers.read_teacher({str(file)!r})") < 100
