"""Ground covers as fractal noise.

Each takes a scene and a shape (h, w) and returns colours, float [h, w, 3] in 0..255.
"""

from functools import lru_cache, partial
from typing import Callable, Dict, Tuple

import numpy as np
from scipy import fft

BANK, CROWNS = (
    1024,
    640,
)  # texture is cut from large sheets made once: many times quicker than making it per image
SCALES = (1, 2, 4, 8, 16, 32, 64, 128)  # size of the blobs, canvas pixels

Colour = Tuple[float, float, float]
Shape = Tuple[int, int]
Texture = Callable[..., np.ndarray]


@lru_cache(None)
def noise_sheets() -> Dict[int, np.ndarray]:
    """Smooth noise, one sheet for each scale: float32 [BANK, BANK], zero mean, unit deviation."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(BANK)[:, None], np.fft.rfftfreq(BANK))
    sheets = {}
    for scale in SCALES:
        spectrum = fft.rfft2(rng.standard_normal((BANK, BANK)).astype(np.float32))
        spectrum *= np.exp(-((1.8 * (scale - 1) * frequency) ** 2))
        spectrum[0, 0] = 0
        sheet = fft.irfft2(spectrum).astype(np.float32)
        sheets[scale] = sheet / sheet.std()
    return sheets


@lru_cache(None)
def crown_sheets(radius: int) -> np.ndarray:
    """A forest from above, float32 [CROWNS, CROWNS, 2]: height in pixels, and a tint 0..1 for each crown."""
    rng = np.random.default_rng(radius)
    sheet = np.zeros((CROWNS, CROWNS, 2), np.float32)
    y, x = np.mgrid[-radius * 1.5 : radius * 1.5 + 1, -radius * 1.5 : radius * 1.5 + 1]
    steps = np.arange(2 * radius, CROWNS - 2 * radius, radius * 1.25)
    for cy, cx in rng.permutation(np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)):
        r, stretch = radius * rng.uniform(0.65, 1.35), rng.uniform(0.8, 1.2)
        top = int(cy - radius * 1.5 + rng.uniform(-0.4, 0.4) * radius)
        left = int(cx - radius * 1.5 + rng.uniform(-0.4, 0.4) * radius)
        height = np.sqrt(np.maximum(r * r - (x * stretch) ** 2 - (y / stretch) ** 2, 0))
        patch = sheet[top : top + len(x), left : left + len(x)]
        higher = height > patch[..., 0]
        patch[higher] = np.stack([height[higher], np.full(higher.sum(), rng.random())], -1)
    return sheet


def cut(rng: np.random.Generator, sheet: np.ndarray, shape: Shape) -> np.ndarray:
    """A random piece of a sheet, perhaps mirrored or transposed."""
    (h, w), turn = shape, rng.integers(8)
    if turn & 1:
        h, w = w, h
    margin = 32  # crowns stop short of their sheet's edge
    top, left = rng.integers(margin, len(sheet) - margin + 1 - np.array((h, w)))
    piece = sheet[top : top + h, left : left + w]
    piece = piece.swapaxes(0, 1) if turn & 1 else piece
    return piece[:: -1 if turn & 2 else 1, :: -1 if turn & 4 else 1]


def noise(rng: np.random.Generator, shape: Shape, **amplitudes: float) -> np.ndarray:
    """Sum of noises: noise(rng, shape, s4=0.1, s64=0.3) has blobs of 4 and of 64 pixels.

    Their deviations are the numbers given.
    """
    return sum(
        amplitude * cut(rng, noise_sheets()[int(scale[1:])], shape) for scale, amplitude in amplitudes.items()
    )


def mix(a: Colour, b: Colour, t: np.ndarray) -> np.ndarray:
    """Colour a where t [h, w] is 0, b where it is 1."""
    channels = [low + (high - low) * t for low, high in zip(np.float32(a), np.float32(b))]
    return np.stack(channels, -1)  # ten times quicker than to broadcast t[..., None]


def relief(height: np.ndarray, sun: np.ndarray, strength: float) -> np.ndarray:
    """Brightness of a lit surface, around 1. sun: the direction in which shadows fall, (x, y)."""
    shade = np.ones_like(height)
    shade[:, 1:] += strength * sun[0] * (height[:, 1:] - height[:, :-1])
    shade[1:] += strength * sun[1] * (height[1:] - height[:-1])
    return shade.clip(0.25, 1.9)


def rows(shape: Shape, angle: float, spacing: float, wobble: "np.ndarray | float" = 0.0) -> np.ndarray:
    """Parallel waves, -1..1, [h, w]; angle in radians, spacing in pixels, wobble in pixels."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    across = np.float32(np.cos(angle)) * x.astype(np.float32) + np.float32(np.sin(angle)) * y.astype(
        np.float32
    )
    return np.sin((across + wobble) * np.float32(2 * np.pi / spacing))


def mottled(scene, shape: Shape, low: Colour, high: Colour, **amplitudes: float) -> np.ndarray:
    """Two colours mixed by noise, with the fine grain that every ground has."""
    t = 0.5 + noise(scene.rng, shape, **amplitudes)
    return mix(low, high, t.clip(-0.4, 1.4))


soil = partial(mottled, low=(118, 92, 68), high=(172, 142, 110), s1=0.12, s4=0.14, s16=0.18, s64=0.3)
concrete = partial(
    mottled, low=(148, 146, 138), high=(192, 190, 180), s1=0.05, s4=0.06, s16=0.08, s64=0.2, s128=0.25
)
asphalt = partial(mottled, low=(78, 79, 82), high=(116, 115, 114), s1=0.07, s8=0.1, s64=0.3)


def grass(scene, shape: Shape) -> np.ndarray:
    low, high = scene.palette["grass"]
    return mottled(scene, shape, low, high, s1=0.14, s2=0.12, s8=0.16, s32=0.2, s128=0.3)


def scrub(scene, shape: Shape) -> np.ndarray:
    """Grass run wild: tufts and worn patches."""
    tufts = (2 * noise(scene.rng, shape, s2=0.25, s4=0.35, s8=0.3, s32=0.4, s64=0.4) - 1.1).clip(0, 1)
    return grass(scene, shape) * (1.06 - 0.34 * tufts)[..., None]


def lawn(scene, shape: Shape) -> np.ndarray:
    """Grass cut short, in the stripes of the mower."""
    low, high = scene.palette["grass"] * np.float32((0.92, 1.1, 0.84))
    light = 1 + 0.05 * np.sign(rows(shape, scene.wind, 18))
    return mottled(scene, shape, low, high, s1=0.1, s32=0.2) * light[..., None]


def sand(scene, shape: Shape) -> np.ndarray:
    low, high = scene.palette["sand"]
    return mottled(scene, shape, low, high, s1=0.12, s2=0.1, s16=0.12, s64=0.25)


def dunes(scene, shape: Shape) -> np.ndarray:
    """Ridges across the wind, sharp on the lee side."""
    rng, spacing = scene.rng, scene.rng.uniform(26, 60)
    wobble = noise(rng, shape, s16=0.6, s32=spacing / 9, s64=spacing / 4, s128=spacing / 2)
    ridge = 1 - np.abs(rows(shape, scene.wind, 2 * spacing, wobble))
    ripple = rows(shape, scene.wind + 0.3, 6, 0.5 * wobble)
    height = spacing * 0.45 * ridge**1.5 * (1 + noise(rng, shape, s64=0.5)).clip(0.15) + 0.22 * ripple
    return sand(scene, shape) * relief(height, scene.sun, 0.2)[..., None]


def water(scene, shape: Shape, waves: float = 0.5) -> np.ndarray:
    """waves: 0 a mirror, 1 a windy sea."""
    rng = scene.rng
    swell = sum(
        rows(shape, scene.wind + rng.normal(0, 0.35), rng.uniform(7, 22), noise(rng, shape, s16=3, s64=8))
        for _ in range(3)
    )
    light = (
        1
        + noise(rng, shape, s64=0.07, s128=0.12)
        + waves * (0.045 * swell + noise(rng, shape, s2=0.05, s4=0.05))
    )
    return mix((0, 0, 0), scene.palette["water"], light)


def canopy(scene, shape: Shape) -> np.ndarray:
    """Closed forest: lit crowns and dark gaps."""
    rng = scene.rng
    radius = int(rng.choice((6, 9)))
    height, tint = np.moveaxis(cut(rng, crown_sheets(radius), shape), -1, 0)
    low, high = scene.palette["trees"]
    colour = mix(low, high, tint + noise(rng, shape, s2=0.15, s64=0.25))
    shade = relief(height + noise(rng, shape, s2=0.5), scene.sun, 0.26) * (0.5 + 0.55 * height / radius)
    return colour * shade[..., None]


def crops(scene, shape: Shape, angle: float = 0.0, spacing: float = 5.0) -> np.ndarray:
    """One field with its rows; ripe, green or just sown."""
    rng = scene.rng
    low, high = scene.palette["crops"][rng.integers(len(scene.palette["crops"]))]
    strength = rng.uniform(0.05, 0.16)
    tracks = rows(shape, angle, rng.uniform(22, 40)) > 0.96
    light = 1 + strength * rows(shape, angle, spacing, noise(rng, shape, s32=0.6)) - 0.12 * tracks
    return mottled(scene, shape, low, high, s1=0.1, s4=0.1, s32=0.22, s128=0.3) * light[..., None]


def mountain_height(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Crests and spurs, about -1..1: each octave is sharp along its ridges."""
    return sum(
        0.37**i * (0.8 - np.abs(cut(rng, noise_sheets()[scale], shape)))
        for i, scale in enumerate((128, 64, 32, 16, 8, 4))
    )


def rock(scene, shape: Shape, height: "np.ndarray | None" = None) -> np.ndarray:
    """Bare slopes; height: see mountain_height."""
    rng = scene.rng
    if height is None:
        height = mountain_height(rng, shape)
    low, high = scene.palette["rock"]
    return (
        mottled(scene, shape, low, high, s2=0.12, s8=0.15, s64=0.3) * relief(height, scene.sun, 45)[..., None]
    )


def snow(scene, shape: Shape, height: "np.ndarray | None" = None) -> np.ndarray:
    """Blue in the shade."""
    cover = mottled(scene, shape, (206, 213, 224), (246, 248, 250), s8=0.08, s16=0.12, s64=0.3)
    if height is None:
        return cover
    light = (1.2 * relief(height, scene.sun, 45) - 0.35).clip(0, 1)
    return cover * mix((0.5, 0.56, 0.68), (1.04, 1.04, 1.03), light)
