"""Which bands of a picture are red, green and blue, and whether its last one is transparency."""

from typing import List, Optional, Sequence

import numpy as np

from support.notes import counted, note_once

Bands = Sequence[int]  # red, green and blue, counted from 1


def choose_bands(count: int, bands: Optional[Bands]) -> List[int]:
    """Red, green and blue, or grey alone.  Raises ValueError if there are more than four, or too few.

    count: that a picture has;  bands: of --bands, if it was given
    """
    if bands is None:
        if count > 4:
            raise ValueError(
                f"it has {count} bands: --bands says which are red, green and blue "
                "(--bands 4 3 2 for Sentinel-2)"
            )
        return [1, 2, 3] if count >= 3 else [1]
    if max(bands) > count:
        raise ValueError(f"it has {counted(count, 'band')}, and --bands asks for number {max(bands)}")
    return list(bands)


def is_transparency(alpha: np.ndarray, is_dark: np.ndarray) -> bool:
    """Is this what it is marked as? A fourth band is marked as transparency by GDAL, even near infrared.

    It is, if it is constant, or mostly 0 and its largest value.

    alpha: [H, W];  is_dark: bool [H, W], where the other bands are 0, so that it makes no difference
    """
    telling = alpha[~is_dark]
    if not telling.size or telling.min() == telling.max():
        return True
    largest = telling.max() if telling.dtype != np.uint8 else 255
    extremes = np.count_nonzero((telling == 0) | (telling == largest))
    return extremes >= telling.size / 2


def say_left_out(name: str, count: int = 4):
    """Print, once, that a picture's last band is not looked at."""
    note_once("band", f"{name}: band {count} is no transparency, such as near infrared, and is left out")
