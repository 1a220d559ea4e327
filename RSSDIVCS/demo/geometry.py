"""Points in the plane: outlines [n, 2] in pixels, angles in radians from the x axis."""

import math
from typing import Iterator, List, Sequence, Tuple

import numpy as np


def at(points, x: float, y: float, angle: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Move a drawing made around the origin, pointing along x, to its place."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.asarray(points, float) @ np.array(((c, s), (-s, c))) + (x, y)


def rect(x: float, y: float, length: float, width: float, angle: float = 0.0) -> np.ndarray:
    a, b = length / 2, width / 2
    return at([(-a, -b), (a, -b), (a, b), (-a, b)], x, y, angle)


def disc(
    x: float,
    y: float,
    radius: float,
    aspect: float = 1.0,
    angle: float = 0.0,
    corners: int = 40,
    squareness: float = 2.0,
) -> np.ndarray:
    """A circle, an ellipse (aspect = width / length), or with squareness above 2 a rounded box."""
    t = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    power = 2 / squareness
    return at(
        radius * np.stack([np.sign(c) * abs(c) ** power, aspect * np.sign(s) * abs(s) ** power], 1),
        x,
        y,
        angle,
    )


def blob(
    rng: np.random.Generator, x: float, y: float, radius: float, roughness: float = 0.22, aspect: float = 1.0
) -> np.ndarray:
    """A smooth closed outline, as of a pond."""
    t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    r = 1 + sum(rng.normal(0, roughness / k) * np.cos(k * t + rng.uniform(0, 2 * np.pi)) for k in range(2, 7))
    return at(np.stack([r * np.cos(t), aspect * r * np.sin(t)], 1) * radius, x, y, rng.uniform(0, np.pi))


def ray(x: float, y: float, angle: float, start: float = -700.0, end: float = 700.0) -> np.ndarray:
    """A straight line through (x, y), by default across any canvas."""
    return at([(start, 0), (end, 0)], x, y, angle)


def bend(
    rng: np.random.Generator, x: float, y: float, angle: float, amplitude: float, wavelength: float = 400.0
) -> np.ndarray:
    """A winding line through about (x, y), across any canvas."""
    u = np.arange(-420, 421, 7.0)
    v = sum(
        amplitude * 0.6**i * np.sin(2 * np.pi * u / wavelength * (1 + 0.7 * i) + rng.uniform(0, 2 * np.pi))
        for i in range(3)
    )
    return at(np.stack([u, v], 1), x, y, angle)


def beside(points: np.ndarray, distance: float) -> np.ndarray:
    """The line that runs beside a line."""
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    return points + distance * along[:, ::-1] * (-1, 1)


def walk(points: np.ndarray, step: float, start: float = 0.0) -> Iterator[Tuple[float, float, float]]:
    """x, y and heading every step pixels along a line."""
    steps = np.diff(points, axis=0)
    ends = np.concatenate([[0], np.linalg.norm(steps, axis=1).cumsum()])
    s = np.arange(start, ends[-1], step)
    piece = np.searchsorted(ends, s, "right") - 1
    heading = np.arctan2(steps[piece, 1], steps[piece, 0])
    return zip(
        np.interp(s, ends, points[:, 0]).tolist(), np.interp(s, ends, points[:, 1]).tolist(), heading.tolist()
    )


def lattice(
    x: float, y: float, angle: float, length: float, width: float, dx: float, dy: float
) -> Iterator[Tuple[float, float]]:
    """Points of a grid that fills a rectangle."""
    for v in np.arange(-width / 2 + dy / 2, width / 2, dy):
        for u in np.arange(-length / 2 + dx / 2, length / 2, dx):
            yield tuple(at((u, v), x, y, angle))


def scatter(
    rng: np.random.Generator,
    count: int,
    gap: float,
    low: float = 0.0,
    high: float = 448.0,
    taken: Sequence[Tuple[float, float, float]] = (),
) -> List[Tuple[float, float]]:
    """Up to count random points, gap pixels apart, clear of the circles (x, y, radius) in taken."""
    points = np.empty((0, 2))
    for candidate in rng.uniform(low, high, (3 * count, 2)):
        clear = all((candidate[0] - x) ** 2 + (candidate[1] - y) ** 2 > r * r for x, y, r in taken)
        if clear and (((points - candidate) ** 2).sum(1) > gap * gap).all():
            points = np.concatenate([points, candidate[None]])
            if len(points) == count:
                break
    return [tuple(p) for p in points]
