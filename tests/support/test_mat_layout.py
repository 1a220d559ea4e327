"""A .mat file is looked over before scipy reads it: what it claims of itself must fit what it holds."""

import struct

import numpy as np
import pytest
import scipy.io

from data.matlab import cell_array
from support.untrusted import check_layout

CELL_CLASS = 1
DOUBLE_CLASS = 6
MATRIX, INT8, INT32, UINT32, DOUBLE = 14, 1, 5, 6, 9  # kinds of elements


def element(kind: int, content: bytes) -> bytes:
    padding = bytes(-len(content) % 8)
    return struct.pack("<II", kind, len(content)) + content + padding


def write_variable(file, variable_class: int, shape: tuple, *values: bytes):
    """A MAT-file with one variable x, which claims to be of this shape."""
    flags = element(UINT32, struct.pack("<II", variable_class, 0))
    dimensions = element(INT32, struct.pack(f"<{len(shape)}i", *shape))
    content = flags + dimensions + element(INT8, b"x") + b"".join(values)
    file.write_bytes(b"MATLAB".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + element(MATRIX, content))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        np.ones((3, 2)),
        np.ones((2, 2, 2), np.uint8),
        np.ones(3) * 1j,
        np.array(["port", "farm"]),
        cell_array(["port", "farm"]),
        cell_array([np.ones(3), "x"]),
        np.ones((0, 3)),
    ],
)
def test_what_scipy_writes_is_sound(tmp_path, value, packed):
    scipy.io.savemat(tmp_path / "x.mat", {"x": value}, do_compression=packed)
    check_layout(tmp_path / "x.mat", ["x"])


def test_the_numbers_are_as_many_as_the_shape_says(tmp_path):
    write_variable(tmp_path / "x.mat", DOUBLE_CLASS, (2, 1), element(DOUBLE, bytes(16)))
    check_layout(tmp_path / "x.mat", ["x"])
    for shape in ((3, 1), (-2, 1), (2**31 - 1, 2**31 - 1)):
        write_variable(tmp_path / "x.mat", DOUBLE_CLASS, shape, element(DOUBLE, bytes(16)))
        with pytest.raises(ValueError, match="it has a variable of the class 6"):
            check_layout(tmp_path / "x.mat", ["x"])


def test_a_cell_array_that_claims_billions_of_cells_takes_no_memory(tmp_path):
    write_variable(tmp_path / "x.mat", CELL_CLASS, (2**31 - 1, 2**31 - 1))
    with pytest.raises(ValueError, match="it has a variable of the class 1"):
        check_layout(tmp_path / "x.mat", ["x"])


def test_other_variables_are_not_looked_at(tmp_path):
    write_variable(tmp_path / "x.mat", DOUBLE_CLASS, (3, 1), element(DOUBLE, bytes(16)))
    check_layout(tmp_path / "x.mat", ["y"])


@pytest.mark.parametrize("content", [b"", b"no .mat file", bytes(200)])
def test_what_is_no_mat_file_is_left_to_scipy(tmp_path, content):
    (tmp_path / "x.mat").write_bytes(content)
    if content:
        check_layout(tmp_path / "x.mat", ["x"])
    else:
        with pytest.raises(ValueError):  # an empty file cannot be mapped
            check_layout(tmp_path / "x.mat", ["x"])


@pytest.mark.parametrize("length", range(130, 190, 7))
def test_a_file_that_is_cut_off_is_an_error(tmp_path, length):
    write_variable(tmp_path / "x.mat", DOUBLE_CLASS, (2, 1), element(DOUBLE, bytes(16)))
    content = (tmp_path / "x.mat").read_bytes()
    (tmp_path / "x.mat").write_bytes(content[:length])
    with pytest.raises(ValueError, match="cut off or damaged"):
        check_layout(tmp_path / "x.mat", ["x"])
