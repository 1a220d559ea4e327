"""Sports grounds, laid out as people lay them out. Canvas pixels, radians."""

from functools import partial

import numpy as np

from .geometry import at, disc, ray, rect
from .land import ground
from .objects import WHITE
from .scene import SHADE, Scene


def pitch(scene: Scene, x: float, y: float, angle: float, length: float) -> None:
    """A football field, mown in stripes."""
    width, stripes = length * 0.64, 12
    paint = scene.pick(((86, 126, 62), (76, 112, 60), (104, 132, 78)))
    for i in range(stripes):
        u = (i + 0.5) / stripes * length - length / 2
        scene.polygon(
            rect(*at((u, 0), x, y, angle), length / stripes + 0.5, width, angle),
            paint * (0.92, 1.08)[i % 2],
            ("sports field", "grass", "striped"),
        )
    scene.outline(rect(x, y, length * 0.94, width * 0.92, angle), WHITE, 2)
    scene.line(ray(x, y, angle + np.pi / 2, -width * 0.46, width * 0.46), WHITE, 2, alpha=220)
    scene.outline(disc(x, y, length * 0.085), WHITE, 2)
    for end in (-1, 1):
        scene.outline(
            rect(*at((end * length * 0.395, 0), x, y, angle), length * 0.15, width * 0.55, angle), WHITE, 2
        )


def running_track(scene: Scene, x: float, y: float, angle: float, length: float) -> None:
    """Around a pitch of this length."""
    paint = scene.pick(((168, 88, 66), (150, 80, 70), (92, 110, 140)))
    outer, inner = length * 0.76, length * 0.62
    scene.polygon(disc(x, y, outer, 0.66, angle, 60, 2.7), paint, ("sports field", "curved"))
    for lane in np.linspace(inner, outer, 7):
        ring = disc(x, y, lane, 0.66 - 0.1 * (1 - lane / outer), angle, 60, 2.7)
        scene.outline(ring, WHITE, 1, alpha=110)
    ground(scene, "grass", disc(x, y, inner, 0.64, angle, 60, 2.7), extra=("sports field",))


def stands(
    scene: Scene, x: float, y: float, angle: float, outer: float, inner: float, aspect: float, roofed: bool
) -> None:
    """A ring of seats around an arena; radii along its length."""
    seats = scene.pick(((150, 154, 160), (92, 110, 150), (160, 92, 84), (178, 172, 160)))
    ring = partial(disc, x, y, aspect=aspect, angle=angle, corners=72, squareness=2.6)
    scene.shadow(ring(outer), 34)
    scene.polygon(ring(outer), seats * 0.75, ("seating stands", "concrete", "curved"))
    for i, r in enumerate(np.linspace(outer * 0.97, inner, 14)):
        scene.polygon(ring(r), seats * (0.86 + 0.28 * (i % 2)))
    for a, b in zip(ring(outer)[::3], ring(inner)[::3]):  # aisles
        scene.line(np.stack([a, b]), seats * 0.6, 1, alpha=190)
    if roofed:
        scene.polygon(
            ring(outer * 1.02), (222, 224, 226), ("seating stands", "metal roof", "curved", "shiny")
        )
        for a, b in zip(ring(outer)[::2], ring(inner)[::2]):
            scene.line(np.stack([a, b]), (160, 164, 170), 1, alpha=160)
        middle = ring(outer - 0.62 * (outer - inner))
        scene.polygon(middle, seats * 0.55, ("seating stands", "concrete", "curved"))
        scene.polygon(ring(inner * 1.06), seats * 0.8)
    ground(scene, "grass", ring(inner))


def diamond(scene: Scene, x: float, y: float, angle: float, size: float) -> None:
    """A ball field: home plate at (x, y), its outfield towards angle."""
    fan = np.linspace(-np.pi / 4, np.pi / 4, 30)
    sector = lambda r: at(
        np.concatenate([[(0, 0)], np.stack([r * np.cos(fan), r * np.sin(fan)], 1)]), x, y, angle
    )
    dirt = scene.pick(((172, 120, 84), (160, 122, 92), (186, 146, 108)))
    scene.polygon(sector(size * 1.06), dirt, ("sports field", "bare soil", "curved"))
    ground(scene, "grass", sector(size), extra=("sports field", "curved"))
    scene.polygon(sector(size * 0.5), dirt, ("sports field", "bare soil", "curved"))
    infield = size * 0.27
    scene.polygon(
        rect(*at((infield * 0.92, 0), x, y, angle), infield * 1.05, infield * 1.05, angle + np.pi / 4),
        scene.palette["grass"].mean(0) * 1.05,
        ("sports field", "grass"),
    )
    for mound, radius in ((at((infield * 0.9, 0), x, y, angle), 0.16 * infield), ((x, y), 0.3 * infield)):
        scene.polygon(disc(*mound, radius), dirt, ("sports field", "bare soil", "circular"))
    for side in (-np.pi / 4, np.pi / 4):
        scene.line(ray(x, y, angle + side, 0, size), WHITE, 1, alpha=200)


def court_colours(scene: Scene) -> np.ndarray:
    """Of the play area and of its surround, [2, 3]."""
    return scene.pick(
        (((52, 92, 140), (76, 122, 88)), ((150, 84, 66), (96, 128, 92)), ((86, 126, 96), (150, 96, 76)))
    )


def court(scene: Scene, x: float, y: float, angle: float, length: float, colours: np.ndarray) -> None:
    """A tennis court with its surround."""
    width = length * 0.5
    for colour, grow in zip(colours[::-1], (1, 0.66)):
        scene.polygon(rect(x, y, length * grow, width * grow, angle), colour, ("sports field", "gridded"))
    for u, v in ((0.62, 0.58), (0.62, 0.44), (0.34, 0.44)):
        scene.outline(rect(x, y, length * u, width * v, angle), WHITE, 1)
    scene.line(ray(x, y, angle, -length * 0.17, length * 0.17), WHITE, 1)
    scene.line(ray(x, y, angle + np.pi / 2, -width * 0.34, width * 0.34), SHADE, 1)
