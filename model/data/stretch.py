"""Values of more than 8 bits as the 8 bits that networks see. One rule, for pictures and scenes of --tile.

    whole numbers that all lie in 0..255  are 8-bit values in a larger type: they stay as they are
    values that fill a range from 0 on    are divided by it: 11-bit values become value // 8, as a program
                                          that makes 8 bits of them would have it
    all others                            in each band, percentile 2 becomes 0 and percentile 98 becomes 255

The range ends at the first power of two above percentile 99.9, whatever the type: satellites' sensors use 11
or 12 bits of 16, and reflectances less than 1. It is filled if percentile 2 lies in its first quarter, and
percentile 98 above three eighths of it. Then dark pictures of a sensor stay darker than bright ones, and
bands keep their colour; but a few bright clouds, or haze above which little varies, make no picture black.

Percentiles are of a whole picture, or of a whole scene, shrunk to 1024 pixels a side. NaN, infinities and
what a file calls no data are left out of them, and become black.
"""

from typing import NamedTuple, Optional, Sequence, Union

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
    if values.dtype == np.uint8 or not everything.any() or are_8_bits(everything):
        return Stretch(np.zeros(count), np.full(count, 255.0))
    end = end_of_range(everything)
    if end:
        step = end / 256
        drops_bits = values.dtype.kind in "iu"  # rounding a value less half a step drops its lower bits
        black = np.full(count, (step - 1) / 2 if drops_bits else 0.0)
        return Stretch(black, black + 255 * step, share_of_type(end, values.dtype))
    if values.dtype.itemsize > 2 and everything.min() == everything.max():
        bits = 8 * values.dtype.itemsize
        raise ValueError(f"the range of its {bits}-bit values is not known: all are {everything[0]:g}")
    percentiles = []
    for of_band in known:
        percentiles.append(np.percentile(of_band if of_band.size else [0], (DARKEST, BRIGHTEST)))
    low, high = np.array(percentiles, float).T
    used = share_of_type(high.max() - low.min(), values.dtype)
    return Stretch(low, np.where(high > low, high, low + 1), used)


def end_of_range(values: np.ndarray) -> Optional[float]:
    """The power of two that values from 0 on fill, in the sense of above; None if they fill none."""
    dark, bright, brightest = np.percentile(values, (DARKEST, BRIGHTEST, 99.9))
    if dark < 0 or brightest <= 0:
        return None
    _, exponent = np.frexp(brightest)
    end = 2.0**exponent
    return end if dark < end / 4 and bright >= end * 3 / 8 else None


def share_of_type(width: float, dtype: np.dtype) -> float:
    """Of the numbers that a type has, those in a range of this width; 1 for floats, which have no limits."""
    return width / 2.0 ** (8 * dtype.itemsize) if dtype.kind in "iu" else 1.0


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
