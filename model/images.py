"""Picture files of any kind as 8-bit RGB: read rightly, or refused with a line that says why."""
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import functional as TF

from errors import InputError

LONGEST = 16                # times as long as wide: of a longer strip only the middle is kept
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)  # all that Pillow raises on bad files


def read_image(path: Path) -> Image.Image:
    """RGB, turned upright as its EXIF says; what is transparent becomes black, like missing data in orthophotos. Raises InputError."""
    try:
        with Image.open(path) as image:
            return middle(eight_bit_rgb(ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError as error:
        raise InputError(f"cannot read the image {path}: {error}; for large images there is predict.py --tile") from error
    except UNREADABLE as error:
        raise InputError(f"cannot read the image {path}: {error}") from error


def eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I" and 0 <= image.getextrema()[0] <= image.getextrema()[1] < 2 ** 16:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # Pillow's own conversion cuts off all above 255
    if image.mode in ("I", "F"):
        raise ValueError("the range of its 32-bit values is not known; save it with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.composite(image.convert("RGB"), Image.new("RGB", image.size), image.getchannel("A"))
    return image.convert("RGB")


def middle(image: Image.Image) -> Image.Image:
    """Of a long strip, its middle: its shorter side is resized to the network's, and then the longer one would fill the memory."""
    longest = LONGEST * min(image.size)
    return image if max(image.size) <= longest else TF.center_crop(image, [min(side, longest) for side in reversed(image.size)])
