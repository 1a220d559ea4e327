"""Values of more than 8 bits as the 8 bits that networks see. One rule, for pictures and scenes of --tile.

    whole numbers that all lie in 0..255   are 8-bit values in a larger type: they stay as they are
    uint16 that fills its type             loses its lower byte: percentile 98 is in the upper half
    all other values                       in each band, percentile 2 becomes 0 and percentile 98 becomes 255

The last kind has the 11 or 12 bits of a satellite's sensor, reflectances, int16, 32 bits and floats: their
type does not say which value is white. Percentiles are of a whole picture, or of a whole scene, shrunk to
1024 pixels a side. NaN, infinities and what a file calls no data are left out of them, and become black.
"""

from typing import NamedTuple, Sequence, Union

import numpy as np

LONGEST = 1024  # pixels of a side that percentiles are taken of
DARKEST, BRIGHTEST = 2, 98  # percentiles


class Stretch(NamedTuple):
    """The values of each band that become 0 and 255, [C] each."""

    black: np.ndarray
    white: np.ndarray
    used: float = 1.0  # share of the range of a type of more than 8 bits that lies between them

    def apply(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """uint8 [H, W, C].  values: [H, W, C];  valid: bool [H, W], where there are data"""
        stretched = np.empty(values.shape, np.uint8)
        with np.errstate(all="ignore"):  # what is not finite becomes black below
            for band, (black, white) in enumerate(zip(self.black, self.white)):  # one at a time: memory
                shares = (values[..., band] - black) / (white - black)
                shares = np.where(valid, np.nan_to_num(shares * 255, nan=0, posinf=0, neginf=0), 0)
                stretched[..., band] = shares.clip(0, 255).round()
        return stretched


def find_stretch(values: np.ndarray, valid: np.ndarray) -> Stretch:
    """The rule above.  Raises ValueError if it needs a range, and all values are the same.

    values: [H, W, C], of any number type;  valid: bool [H, W], where there are data
    """
    count = values.shape[2]
    known = []  # values of each band
    for band in range(count):
        of_band = values[..., band][valid]
        known.append(of_band[np.isfinite(of_band)])
    everything = np.concatenate(known)
    if values.dtype == np.uint8 or not everything.size or are_8_bits(everything):
        return Stretch(np.zeros(count), np.full(count, 255.0))
    if values.dtype == np.uint16 and np.percentile(everything, BRIGHTEST) >= 2**15:
        black = np.full(count, 127.5)  # half a step, so that rounding drops the lower byte
        return Stretch(black, black + 255 * 256)
    bits = 8 * values.dtype.itemsize
    if bits > 16 and everything.min() == everything.max():
        raise ValueError(f"the range of its {bits}-bit values is not known: all are {everything[0]:g}")
    percentiles = []
    for of_band in known:
        percentiles.append(np.percentile(of_band if of_band.size else [0], (DARKEST, BRIGHTEST)))
    low, high = np.array(percentiles, float).T
    used = 1.0
    if values.dtype.kind in "iu":
        used = (high.max() - low.min()) / 2.0**bits
    return Stretch(low, np.where(high > low, high, low + 1), used)


def is_other(values: np.ndarray, missing: Union[float, Sequence[int]]) -> np.ndarray:
    """bool [H, W]: where any band is another value than the missing one, which may be NaN.

    values: [H, W, C];  missing: a value, or one of each band
    """
    same = np.isnan(values) if np.isnan(missing).any() else values == np.array(missing)
    return ~same.all(axis=2)


def are_8_bits(values: np.ndarray) -> bool:
    """Are these whole numbers, by their type, of 0 to 255?"""
    return values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 255


def sampled(values: np.ndarray) -> np.ndarray:
    """Every n-th row and column of [H, W, ...], so that no side has more than LONGEST."""
    scale = max(1, max(values.shape[:2]) / LONGEST)
    rows, columns = (
        ((np.arange(max(1, round(side / scale))) + 0.5) * side / max(1, round(side / scale))).astype(int)
        for side in values.shape[:2]
    )
    return values[rows][:, columns]
