"""One aerial photograph in the making: a canvas that remembers what shows at every pixel.

Also its light, and its camera.
"""

from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .attributes import INDEX
from .geometry import beside
from .textures import Colour, Texture, noise

SIDE = 448  # canvas pixels; photographs are half of it or less, which smooths every edge
SHADE = (12, 16, 34)
OPAQUE = [0] * 128 + [255] * 128  # from a picture's alpha to its mask
Where = Optional[np.ndarray]  # a mask bool [SIDE, SIDE], an outline [n, 2], or everywhere

SEASONS = {  # grass, tree crowns: dark and light
    "spring": (((84, 112, 54), (132, 152, 80)), ((52, 84, 40), (104, 136, 62))),
    "summer": (((82, 100, 54), (126, 134, 78)), ((40, 62, 36), (80, 100, 54))),
    "dry": (((136, 120, 78), (182, 164, 116)), ((66, 74, 46), (110, 106, 70))),
    "autumn": (((106, 104, 62), (148, 138, 86)), ((96, 70, 38), (158, 104, 48))),
    "winter": (((104, 98, 74), (142, 132, 104)), ((72, 66, 56), (122, 112, 98))),
}
SANDS = (
    ((198, 178, 140), (228, 212, 176)),
    ((190, 148, 104), (218, 178, 132)),
    ((168, 158, 140), (206, 196, 178)),
    ((170, 112, 76), (204, 146, 104)),
)
WATERS = ((38, 66, 92), (44, 78, 84), (64, 88, 76), (98, 98, 76), (24, 44, 66), (52, 100, 116))
ROCKS = (((98, 94, 90), (142, 136, 128)), ((112, 90, 74), (156, 128, 106)), ((84, 80, 84), (124, 120, 122)))
CROPS = (
    ((70, 100, 44), (108, 134, 66)),
    ((98, 116, 56), (140, 150, 84)),
    ((176, 154, 92), (210, 188, 128)),
    ((128, 98, 70), (164, 132, 98)),
    ((150, 142, 76), (184, 176, 110)),
    ((62, 82, 46), (92, 106, 62)),
)


class Scene:
    """Draws in canvas pixels, x to the right and y down, 0..SIDE.

    Whatever is drawn with attributes hides what lay there, in the picture and in the record; without, it
    only colours.
    """

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.rgb, self.label = Image.new("RGB", (SIDE, SIDE)), Image.new("L", (SIDE, SIDE))
        self.pen, self.marker = ImageDraw.Draw(self.rgb, "RGBA"), ImageDraw.Draw(self.label)
        self.kinds: Dict[Tuple[str, ...], int] = {}  # attributes of a primitive -> its value in label
        azimuth = rng.uniform(0, 2 * np.pi)
        self.sun = np.array([np.cos(azimuth), np.sin(azimuth)])  # where shadows fall
        self.shadow_length = rng.uniform(0.45, 1.5)  # per height
        self.wind = rng.uniform(0, np.pi)
        grass, trees = SEASONS[rng.choice(list(SEASONS), p=(0.2, 0.35, 0.2, 0.15, 0.1))]
        self.palette = {
            "grass": self.jitter(grass),
            "trees": self.jitter(trees),
            "sand": self.jitter(SANDS[rng.integers(len(SANDS))]),
            "water": self.jitter(WATERS[rng.integers(len(WATERS))]),
            "rock": self.jitter(ROCKS[rng.integers(len(ROCKS))]),
            "crops": [self.jitter(CROPS[i]) for i in rng.permutation(len(CROPS))[: rng.integers(2, 6)]],
        }
        self.crowns: List[Image.Image] = []

    # colour

    def jitter(self, colours, amount: float = 0.07) -> np.ndarray:
        """The same brightness and hue change for all the colours given, [..., 3]."""
        return (
            np.float32(colours) * (1 + self.rng.normal(0, amount)) * (1 + self.rng.normal(0, amount / 3, 3))
        )

    def pick(self, colours: Sequence[Colour], amount: float = 0.07) -> np.ndarray:
        """One of the colours, a little changed."""
        return self.jitter(colours[self.rng.integers(len(colours))], amount)

    def sees(self, x: float, y: float, margin: float = 45) -> bool:
        return -margin < x < SIDE + margin and -margin < y < SIDE + margin

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    # drawing

    def kind(self, attributes: Sequence[str]) -> int:
        return self.kinds.setdefault(tuple(sorted(set(attributes), key=INDEX.__getitem__)), len(self.kinds))

    def cover(
        self,
        texture: Union[Texture, np.ndarray],
        attributes: Sequence[str],
        where: Where = None,
        soft: float = 0,
    ) -> None:
        """Lay a texture, or a picture [SIDE, SIDE, 3]; soft: how many pixels its edge blends over."""
        stencil = Image.fromarray(mask_of(where))
        box = stencil.getbbox()
        if box is None:
            return
        stencil = stencil.crop(box).convert("L")
        left, top, right, bottom = box
        colours = (
            texture(self, (bottom - top, right - left))
            if callable(texture)
            else texture[top:bottom, left:right]
        )
        edge = stencil.filter(ImageFilter.BoxBlur(1.6 * soft)) if soft else stencil
        self.rgb.paste(Image.fromarray(colours.clip(0, 255).astype(np.uint8)), box, edge)
        self.label.paste(self.kind(attributes), box, stencil)

    def polygon(
        self, points: np.ndarray, colour: Colour, attributes: Optional[Sequence[str]] = None, alpha: int = 255
    ) -> None:
        """points: [n, 2]; colours may be out of range, alpha 0..255."""
        xy = points.ravel().tolist()
        self.pen.polygon(xy, fill=rgba(colour, alpha))
        if attributes is not None:
            self.marker.polygon(xy, fill=self.kind(attributes))

    def line(
        self,
        points: np.ndarray,
        colour: Colour,
        width: float,
        attributes: Optional[Sequence[str]] = None,
        alpha: int = 255,
    ) -> None:
        """points: [n, 2], from end to end."""
        if len(points) > 2 and width > 3:  # as one outline: wide pieces would crack or overlap at the joints
            edges = np.concatenate([beside(points, width / 2), beside(points, -width / 2)[::-1]])
            self.polygon(edges, colour, attributes, alpha)
            return
        xy, width = points.ravel().tolist(), max(1, int(round(width)))
        self.pen.line(xy, fill=rgba(colour, alpha), width=width)
        if attributes is not None:
            self.marker.line(xy, fill=self.kind(attributes), width=width)

    def outline(self, points: np.ndarray, colour: Colour, width: float = 1, alpha: int = 220) -> None:
        """The closed line around points."""
        self.line(np.concatenate([points, points[:1]]), colour, width, alpha=alpha)

    def tint(self, colour: Colour, strength: np.ndarray) -> None:
        """Wash colour over the canvas, strength [SIDE, SIDE] in 0..1."""
        self.rgb.paste(rgba(colour)[:3], (0, 0), Image.fromarray((255 * strength).astype(np.uint8)))

    def mark(self, attributes: Sequence[str], where: np.ndarray) -> None:
        """Record attributes where a mask bool [SIDE, SIDE] says, without drawing."""
        self.label.paste(self.kind(attributes), (0, 0), Image.fromarray(where))

    def shadow(self, outline: np.ndarray, height: float, alpha: int = 135) -> None:
        """The shadow of an upright convex thing, outline [n, 2]; the thing itself is drawn over it."""
        self.polygon(
            hull(np.concatenate([outline, outline + self.sun * height * self.shadow_length])),
            SHADE,
            alpha=alpha,
        )

    def sprite(self, image: Image.Image, x: float, y: float, attributes: Sequence[str]) -> None:
        """Paste an RGBA picture with its centre at (x, y)."""
        corner = int(x - image.width / 2), int(y - image.height / 2)
        alpha = image.getchannel("A")
        self.rgb.paste(image, corner, alpha)
        self.label.paste(self.kind(attributes), corner, alpha.point(OPAQUE))

    # the camera

    def photograph(self, size: int) -> Tuple[np.ndarray, np.ndarray]:
        """What the camera sees.

        Returns uint8 [size, size, 3], and the kind of primitive at each of its pixels, uint8 [size, size].
        """
        rng = self.rng
        zoom = SIDE * rng.uniform(0.78, 1)
        left, top = rng.uniform(0, SIDE - zoom, 2)
        window = (left, top, left + zoom, top + zoom)
        label = np.asarray(self.label.resize((size, size), Image.Resampling.NEAREST, box=window))
        picture = self.rgb.resize((size, size), Image.Resampling.HAMMING, box=window)
        if self.chance(0.5):
            picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8) * size / 224))
        return develop(np.asarray(picture, np.float32), rng), label


def develop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light and film: float [H, W, 3] to uint8.

    Exposure and white balance follow the scene in part, as cameras do.
    """
    h, w = image.shape[:2]
    terrain_and_cloud = noise(rng, (h, w), s1=0.02, s2=0.025, s64=0.03, s128=0.05)
    image = image * (1 + terrain_and_cloud)[..., None]
    mean = image.mean((0, 1))
    exposure = (rng.uniform(90, 140) / mean.mean()) ** rng.uniform(0.5, 0.9)
    balance = (mean.mean() / mean) ** rng.uniform(0.2, 0.65)
    warmth, tint = rng.normal(0, (0.085, 0.03))  # of the light, of the film
    image *= exposure * balance * (1 + warmth, 1 + tint, 1 - warmth)
    grey = image.mean(-1, keepdims=True)
    image = grey + (image - grey) * rng.uniform(0.4, 1.1)
    image = 128 + (image - 128) * rng.uniform(0.9, 1.2)
    haze = (rng.beta(1, 4) * 0.45 * (1 + noise(rng, (h, w), s128=0.25)))[..., None].clip(0, 0.6)
    image += (np.float32((176, 186, 198)) - image) * haze
    y, x = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    image *= (1 - rng.uniform(0, 0.12) * (x * x + y * y))[..., None]
    image += rng.standard_normal((h, w, 1), np.float32) * rng.uniform(0.5, 4)
    return image.clip(0, 255).astype(np.uint8)


def mask_of(where: Where) -> np.ndarray:
    """bool [SIDE, SIDE]"""
    if where is not None and where.dtype == bool:
        return where
    stencil = Image.new("1", (SIDE, SIDE), where is None)
    if where is not None:
        ImageDraw.Draw(stencil).polygon(where.ravel().tolist(), fill=1)
    return np.asarray(stencil)


def rgba(colour: Colour, alpha: int = 255) -> Tuple[int, int, int, int]:
    r, g, b = colour
    return min(max(int(r), 0), 255), min(max(int(g), 0), 255), min(max(int(b), 0), 255), alpha


def hull(points: np.ndarray) -> np.ndarray:
    """Convex hull of points [n, 2], in order (monotone chain)."""
    ordered = sorted(points.tolist())

    def half(sequence):
        chain: List[List[float]] = []
        for p in sequence:
            while len(chain) > 1 and (
                (chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1])
                <= (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])
            ):
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))
