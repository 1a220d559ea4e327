"""Files of .mat that are nearly right."""

import io
import math

import numpy as np
import scipy.io
import scipy.sparse
from hypothesis import strategies as st

from data.matlab import cell_array
from nearly_right import NUMBERS, WORDS, nearly_bytes

MAT_WORDS = [word for word in WORDS if word != "\ud800"]  # which savemat cannot write


@st.composite
def nearly_array(draw, array):
    """An array of another kind or shape, or with an element that does not belong."""
    how = draw(st.sampled_from(["element", "element", "element", "type", "shape", "whole"]))
    is_number = array.dtype.kind in "iuf"
    if how == "type":
        words = list(map(str, array.ravel()))
        with np.errstate(all="ignore"):
            return (
                array.astype(draw(st.sampled_from(["i1", "u1", "i8", "u8", "f4", "f8", "c16", "?"])))
                if is_number
                else draw(st.sampled_from([np.array(words), cell_array(words)]))
            )
    if how == "shape":
        return draw(
            st.sampled_from(
                [
                    array.T,
                    array.ravel(),
                    array[None],
                    array[..., None],
                    array[:-1],
                    array[:0],
                    array[:1],
                    array[::-1],
                    np.repeat(array, 2, axis=0),
                    np.zeros((0, 0)),
                ]
            )
        )
    if how == "whole":
        return draw(
            st.sampled_from(
                [
                    *map(np.array, MAT_WORDS),
                    np.zeros_like(array) if is_number else np.array([]),
                    {"x": 1},
                    [],
                    np.array([1.5]),
                    scipy.sparse.csc_matrix(np.eye(3)),
                    np.array([["a", "b"], ["c", "d"]]),
                    cell_array([np.eye(2), "x"]),
                    np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
                ]
            )
        )
    value = draw(
        st.sampled_from(
            (
                [*NUMBERS[:7], 10**9, -1e18, 1e308, math.nan, math.inf, array.size, array.size + 1]
                if is_number
                else [*MAT_WORDS, np.eye(2), 7]
            )
            + [array.flat[0]]
        )
    )
    array = np.ascontiguousarray(array, float if is_number else object).copy()
    array.reshape(-1)[draw(st.integers(0, array.size - 1))] = value
    return array


@st.composite
def nearly_mat(draw, variables):
    """The bytes of a .mat file with a variable changed, lost or exchanged, or two; or with bytes changed."""
    damage = draw(st.sampled_from(["variables"] * 5 + ["bytes"]))
    changed = dict(variables)
    for name in (
        draw(st.lists(st.sampled_from(sorted(variables)), min_size=1, max_size=2, unique=True))
        if damage == "variables"
        else ()
    ):
        changed[name] = draw(
            st.one_of(
                [nearly_array(variables[name])] * 4
                + [st.just(None), st.sampled_from(sorted(variables)).map(variables.get)]
            )
        )
    changed = {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in changed.items()
        if value is not None
    }  # in one piece
    file = io.BytesIO()
    scipy.io.savemat(file, changed, do_compression=draw(st.booleans()))
    return draw(nearly_bytes(file.getvalue())) if damage == "bytes" else file.getvalue()
