"""How much of their range the pictures of a dataset use: those that use almost none look black."""

from typing import List, NamedTuple, Sequence

import numpy as np
from PIL import Image

from data.stretch import BRIGHTEST, DARKEST

USED = "share of the range used"  # of a picture's type: in its `info`, if its values were stretched
LEAST = 1 / 16  # share of the range that counts as almost none
MANY = 1 / 4  # share of pictures that is more than a few of still water


class UsedRange(NamedTuple):
    """Shares of a range from percentile 2 to percentile 98, in the channel that uses most."""

    by_type: float  # of the type that the file has, if its values were stretched; 1 if they were not
    by_picture: float  # of the 8 bits that networks see


def used_range(image: Image.Image) -> UsedRange:
    """image: of `data.images.read_image`"""
    counts = np.reshape(image.histogram(), (-1, 256)).cumsum(axis=1)  # [3, 256]
    shares = counts / counts[:, -1:] * 100
    widths = (shares < BRIGHTEST).sum(axis=1) - (shares <= DARKEST).sum(axis=1)
    return UsedRange(image.info.get(USED, 1.0), max(0, int(widths.max())) / 255)


def warn_of_narrow_ranges(files: Sequence[str], ranges: Sequence[UsedRange]):
    """Print a line if many pictures use almost none of their range, and how they are read then."""
    stretched = [file for file, used in zip(files, ranges) if used.by_type < LEAST <= used.by_picture]
    dark = [file for file, used in zip(files, ranges) if used.by_picture < LEAST]
    if is_many(stretched, files):
        print(
            f"note: {len(stretched)} of {len(files)} images use less than {LEAST:.0%} of their type's range, "
            f"such as {stretched[0]}: each is brought to 8 bits by the range that it uses. "
            "To choose otherwise, save them with 8 bits"
        )
    if is_many(dark, files):
        print(
            f"note: {len(dark)} of {len(files)} images use less than {LEAST:.0%} of their range, "
            f"such as {dark[0]}, and show next to nothing. If they were made of more bits, "
            "save them anew: with 16 bits, which are stretched here, or stretched to 8"
        )


def is_many(some: List[str], files: Sequence[str]) -> bool:
    """More than a few?"""
    return len(some) > 0 and len(some) >= MANY * len(files)
