"""Single things seen from above. Each is drawn at (x, y) with its shadow.

Angles are in radians, sizes in canvas pixels.
"""

from functools import wraps
from typing import Callable, Sequence

import numpy as np
from PIL import Image

from .geometry import at, disc, ray, rect, walk
from .scene import SHADE, Scene
from .textures import Colour, mix, noise, relief

CAR_PAINT = (
    (238, 238, 236),
    (205, 208, 210),
    (34, 36, 40),
    (110, 114, 120),
    (150, 38, 34),
    (48, 70, 120),
    (188, 172, 140),
)
TILES = ((158, 92, 66), (136, 78, 60), (112, 92, 80), (96, 92, 92), (172, 116, 86), (122, 104, 92))
SHEETS = ((196, 202, 206), (226, 228, 228), (140, 160, 178), (168, 172, 168), (134, 108, 96), (120, 146, 134))
ROOFING = ((170, 166, 158), (196, 192, 184), (140, 138, 136), (212, 210, 206))
BOXES = (
    (160, 56, 44),
    (52, 86, 138),
    (190, 186, 178),
    (62, 112, 84),
    (196, 128, 52),
    (120, 70, 60),
    (86, 122, 150),
)
WHITE = (236, 236, 232)
CAR = np.concatenate(
    [rect(0, 0, 10, 4.8), rect(-0.4, 0, 5.2, 3.8), rect(-0.7, 0, 2.6, 3.8)]
)  # body, windows, roof


def if_seen(draw: Callable) -> Callable:
    """Do not draw what lies outside the canvas."""

    @wraps(draw)
    def draw_if_seen(scene: Scene, x: float, y: float, *args, **kwargs) -> None:
        if scene.sees(x, y):
            draw(scene, x, y, *args, **kwargs)

    return draw_if_seen


@if_seen
def car(scene: Scene, x: float, y: float, angle: float) -> None:
    length, paint = scene.rng.uniform(8.5, 11), scene.pick(CAR_PAINT)
    body, glass, roof = at(CAR, x, y, angle, length / 10).reshape(3, 4, 2)
    scene.polygon(body + scene.sun * 1.6, SHADE, alpha=120)
    scene.polygon(body, paint, ("cars",))
    scene.polygon(glass, 0.4 * paint + 16)
    scene.polygon(roof, 1.04 * paint)


@if_seen
def truck(scene: Scene, x: float, y: float, angle: float) -> None:
    body, cab = rect(x, y, 22, 6, angle), at([(12, -2.6), (16, -2.6), (16, 2.6), (12, 2.6)], x, y, angle)
    scene.shadow(body, 5)
    scene.polygon(body, scene.pick(((230, 230, 226), (190, 194, 200), *BOXES)), ("cars",))
    scene.polygon(cab, scene.pick(CAR_PAINT), ("cars",))


@if_seen
def tree(scene: Scene, x: float, y: float, radius: float, extra: Sequence[str] = ()) -> None:
    if not scene.crowns:
        scene.crowns = [crown(scene) for _ in range(6)]
    outline = disc(x, y, radius * 0.85, corners=12)
    scene.polygon(outline + scene.sun * radius * 0.8 * scene.shadow_length, SHADE, alpha=110)
    picture = scene.crowns[scene.rng.integers(len(scene.crowns))]
    side = max(4, int(2.3 * radius))
    scene.sprite(picture.resize((side, side), Image.Resampling.BILINEAR), x, y, ("trees", *extra))


def crown(scene: Scene, side: int = 40) -> Image.Image:
    """A lit tree crown with a lobed outline, RGBA."""
    rng = scene.rng
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32) * 1.1
    theta = np.arctan2(y, x)
    edge = 0.86 + sum(rng.normal(0, 0.05) * np.cos(k * theta + rng.uniform(0, 6)) for k in range(2, 8))
    height = np.sqrt(np.maximum(edge**2 - x * x - y * y, 0)) + noise(rng, x.shape, s2=0.06, s4=0.08)
    low, high = scene.jitter(scene.palette["trees"], 0.1)
    light = relief(height, scene.sun, 4) * (0.6 + 0.5 * height)
    colour = mix(low, high, 0.5 + noise(rng, x.shape, s2=0.2, s4=0.2)) * light[..., None]
    alpha = 255 * ((edge - np.hypot(x, y)) * 8).clip(0, 1)
    return Image.fromarray(np.concatenate([colour, alpha[..., None]], -1).clip(0, 255).astype(np.uint8))


def lit(scene: Scene, angle: float, strength: float = 0.2) -> float:
    """Brightness of a roof plane that falls towards angle."""
    return 1 - strength * float(np.dot((np.cos(angle), np.sin(angle)), scene.sun))


def gable(
    scene: Scene,
    x: float,
    y: float,
    angle: float,
    length: float,
    width: float,
    paint,
    attributes: Sequence[str],
    hip: float = 0.0,
) -> None:
    """A pitched roof with its ridge along angle; hip: how far the ridge stops short of the ends."""
    a, b, r = length / 2, width / 2, length / 2 - hip
    planes = (
        ([(-a, -b), (a, -b), (r, 0), (-r, 0)], -np.pi / 2),
        ([(-a, b), (a, b), (r, 0), (-r, 0)], np.pi / 2),
        ([(a, -b), (a, b), (r, 0)], 0),
        ([(-a, -b), (-a, b), (-r, 0)], np.pi),
    )
    for corners, falls in planes[: 4 if hip else 2]:
        scene.polygon(at(corners, x, y, angle), paint * lit(scene, angle + falls), attributes)
    scene.line(ray(x, y, angle, -r, r), paint * 1.18, 1, alpha=170)


@if_seen
def house(
    scene: Scene,
    x: float,
    y: float,
    angle: float,
    length: float = 34,
    width: float = 22,
    extra: Sequence[str] = (),
) -> None:
    rng, tiled = scene.rng, scene.chance(0.85)
    paint = scene.pick(TILES if tiled else SHEETS, 0.1)
    attributes = ("houses", "tiled roof" if tiled else "metal roof", *extra)
    hip = width / 2 if scene.chance(0.45) else 0
    scene.shadow(rect(x, y, length, width, angle), 11)
    if scene.chance(0.4):  # a wing across
        wx, wy = at((rng.choice((-1, 1)) * length * 0.25, width * 0.35), x, y, angle)
        scene.shadow(rect(wx, wy, width * 1.1, length * 0.42, angle + np.pi / 2), 11)
        gable(scene, wx, wy, angle + np.pi / 2, width * 1.1, length * 0.42, paint, attributes, hip / 2)
    gable(scene, x, y, angle, length, width, paint, attributes, hip)
    if scene.chance(0.5):
        cx, cy = at((length * rng.uniform(-0.3, 0.3), width * 0.2), x, y, angle)
        scene.polygon(rect(cx, cy, 3, 3, angle) + scene.sun * 2, SHADE, alpha=120)
        scene.polygon(rect(cx, cy, 3, 3, angle), paint * 0.7)


@if_seen
def trailer(scene: Scene, x: float, y: float, angle: float) -> None:
    """A mobile home."""
    body = rect(x, y, 30, 9, angle)
    scene.shadow(body, 6)
    gable(scene, x, y, angle, 30, 9, scene.pick(SHEETS + ROOFING), ("houses", "metal roof", "dense"))


def building(
    scene: Scene,
    x: float,
    y: float,
    angle: float,
    length: float,
    width: float,
    material: str = "",
    height: float = 22,
) -> None:
    """A hall or a block with a flat or corrugated roof; material: metal roof, concrete, or either."""
    rng = scene.rng
    material = material or ("metal roof" if scene.chance(0.6) else "concrete")
    outline = rect(x, y, length, width, angle)
    scene.shadow(outline, height)
    attributes = ["large buildings", material]
    paint = scene.pick(SHEETS if material == "metal roof" else ROOFING, 0.08)
    if material == "metal roof":
        attributes += ["shiny"] * bool(paint.mean() > 195)
        gable(scene, x, y, angle, length, width, paint, attributes)
        for px, py, _ in walk(ray(x, y, angle, -length / 2 + 3, length / 2), 5):
            scene.line(ray(px, py, angle + np.pi / 2, -width / 2, width / 2), paint * 0.75, 1, alpha=60)
        for px, py, _ in list(walk(ray(x, y, angle, -length / 2 + 12, length / 2 - 8), 20)) * scene.chance(
            0.4
        ):  # skylights
            scene.line(
                ray(px, py, angle + np.pi / 2, -width * 0.35, width * 0.35), (222, 230, 234), 2, alpha=150
            )
    else:
        scene.polygon(outline, paint, attributes)
        scene.outline(outline, paint * 1.15, 2, alpha=255)  # parapet
        for _ in range(int(rng.integers(2, 3 + length * width / 900))):  # plant on the roof
            ux, uy = at((rng.uniform(-0.4, 0.4) * length, rng.uniform(-0.38, 0.38) * width), x, y, angle)
            unit = rect(ux, uy, rng.uniform(4, 11), rng.uniform(4, 8), angle)
            scene.shadow(unit, 3)
            scene.polygon(unit, paint * rng.uniform(0.7, 1.2))


@if_seen
def tank(scene: Scene, x: float, y: float, radius: float) -> None:
    rng = scene.rng
    paint = scene.pick(
        ((236, 236, 232), (232, 230, 224), (216, 214, 204), (190, 192, 192), (176, 150, 128)), 0.04
    )
    attributes = ["storage tanks", "circular"] + ["shiny"] * bool(paint.mean() > 205)
    scene.shadow(disc(x, y, radius), radius * 0.9)
    scene.polygon(disc(x, y, radius), paint * 0.86, attributes)
    if scene.chance(0.4):  # floating roof, the wall shades it
        scene.polygon(disc(x, y, radius * 0.92), paint * 0.5)
        scene.polygon(disc(*(np.array((x, y)) + scene.sun * radius * 0.16), radius * 0.78), paint * 0.82)
    else:  # cone
        for shrink in np.arange(0.94, 0.1, -0.12):
            cx, cy = np.array((x, y)) - scene.sun * radius * 0.25 * (1 - shrink)
            scene.polygon(disc(cx, cy, radius * shrink, corners=28), paint * (1.06 - 0.2 * shrink))
    stair = ray(x, y, rng.uniform(0, 6.28), radius * 0.2, radius)
    scene.line(stair, paint * 0.6, 1, alpha=160)


AIRCRAFT = (  # length 1, nose at +x: wing, tail, fuselage
    ((0.14, 0), (-0.16, 0.47), (-0.24, 0.47), (-0.1, 0), (-0.24, -0.47), (-0.16, -0.47)),
    ((-0.36, 0), (-0.47, 0.17), (-0.52, 0.17), (-0.47, 0), (-0.52, -0.17), (-0.47, -0.17)),
    (
        (0.5, 0),
        (0.46, 0.034),
        (0.38, 0.05),
        (-0.3, 0.05),
        (-0.5, 0.014),
        (-0.5, -0.014),
        (-0.3, -0.05),
        (0.38, -0.05),
        (0.46, -0.034),
    ),
)


@if_seen
def aircraft(scene: Scene, x: float, y: float, angle: float, length: float) -> None:
    paint = scene.pick((WHITE, (206, 210, 214), (226, 222, 210)), 0.03)
    spans = ((0.16,), (0.15, 0.29))[scene.rng.integers(2)]
    engines = [rect(0.02, side * span, 0.12, 0.05) for side in (-1, 1) for span in spans]
    parts = [np.array(part) for part in (*AIRCRAFT[:2], *engines, AIRCRAFT[2])]
    for part in parts:
        scene.polygon(
            at(part, x, y, angle, length) + scene.sun * length * 0.09 * scene.shadow_length, SHADE, alpha=110
        )
    for part, shade in zip(parts, (0.9, 0.88, *[0.7] * len(engines), 1.05)):
        scene.polygon(at(part, x, y, angle, length), paint * shade, ("aircraft",))
    fin = scene.pick(((60, 80, 140), (150, 50, 50), (70, 80, 90)))
    scene.line(ray(x, y, angle, -length * 0.5, -length * 0.4), fin, length / 24)


def hull_outline(length: float, width: float) -> np.ndarray:
    a, b = length / 2, width / 2
    return np.array(
        [
            (a, 0),
            (a * 0.72, b * 0.8),
            (a * 0.45, b),
            (-a * 0.9, b),
            (-a, b * 0.7),
            (-a, -b * 0.7),
            (-a * 0.9, -b),
            (a * 0.45, -b),
            (a * 0.72, -b * 0.8),
        ]
    )


@if_seen
def boat(scene: Scene, x: float, y: float, angle: float, length: float, extra: Sequence[str] = ()) -> None:
    """A yacht or a motor boat."""
    width, paint = (
        length * scene.rng.uniform(0.27, 0.36),
        scene.pick((WHITE, WHITE, (222, 216, 200), (70, 86, 120)), 0.05),
    )
    outline = at(hull_outline(length, width), x, y, angle)
    scene.polygon(outline + scene.sun * 2, SHADE, alpha=110)
    scene.polygon(outline, paint, ("ships", *extra))
    scene.polygon(at(hull_outline(length * 0.5, width * 0.6), x, y, angle), paint * 0.8)
    scene.polygon(at(rect(-0.08 * length, 0, length * 0.2, width * 0.5), x, y, angle), (70, 84, 98))


def ship(scene: Scene, x: float, y: float, angle: float, length: float, laden: bool = False) -> None:
    """A freighter, bridge aft; laden with containers or with hatches."""
    width, paint = length * 0.17, scene.pick(((120, 56, 48), (60, 72, 86), (92, 100, 100), (140, 110, 84)))
    outline = at(hull_outline(length, width), x, y, angle)
    scene.polygon(outline + scene.sun * 7, SHADE, alpha=110)
    scene.polygon(outline, paint * 0.7, ("ships",))
    scene.polygon(at(hull_outline(length * 0.97, width * 0.86), x, y, angle), paint)
    hold = at((0.06 * length, 0), x, y, angle)
    if laden:
        containers(scene, *hold, angle, length * 0.66, width * 0.8, 0.4, ("ships",))
    else:
        for px, py, _ in walk(ray(*hold, angle, -length * 0.28, length * 0.34), length * 0.13):
            scene.polygon(rect(px, py, length * 0.1, width * 0.6, angle), paint * 1.35)
    tower = rect(*at((-0.38 * length, 0), x, y, angle), length * 0.08, width * 0.9, angle)
    scene.shadow(tower, 9)
    scene.polygon(tower, WHITE)


def wake(scene: Scene, x: float, y: float, angle: float, length: float) -> None:
    """Foam behind a moving ship; draw it first."""
    for spread, alpha in ((0.35, 40), (0.2, 60), (0.1, 90)):
        scene.polygon(
            at([(0.4, 0), (-2.2, spread), (-2.2, -spread)], x, y, angle, length), (225, 232, 236), alpha=alpha
        )


def containers(
    scene: Scene,
    x: float,
    y: float,
    angle: float,
    length: float,
    width: float,
    gap: float = 1.2,
    extra: Sequence[str] = (),
) -> None:
    """A stack yard: boxes of 18 x 6 in rows."""
    rng = scene.rng
    columns, lines = max(1, int(length // (18 + gap))), max(1, int(width // (6 + gap)))
    theme = rng.choice(len(BOXES), 4)
    for column in range(columns):
        for row in range(lines):
            if scene.chance(0.07):
                continue
            u, v = (column - (columns - 1) / 2) * (18 + gap), (row - (lines - 1) / 2) * (6 + gap)
            container(scene, *at((u, v), x, y, angle), angle, BOXES[theme[rng.integers(4)]], extra)


@if_seen
def container(scene: Scene, x: float, y: float, angle: float, paint: Colour, extra: Sequence[str]) -> None:
    """The top box of a stack one to four high."""
    box, paint = rect(x, y, 18, 6, angle), scene.jitter(paint, 0.1)
    scene.shadow(box, 1.5 * scene.rng.integers(1, 5), alpha=100)
    scene.polygon(box, paint, ("containers", "dense", "gridded", *extra))
    scene.line(ray(x, y, angle, -8, 8), paint * 1.2, 1, alpha=120)


def pool(scene: Scene, x: float, y: float, angle: float, length: float = 15) -> None:
    scene.polygon(rect(x, y, length + 6, length * 0.55 + 6, angle), (206, 200, 188), ("concrete",))
    paint = scene.pick(((66, 160, 190), (90, 180, 200), (60, 140, 176)))
    scene.polygon(rect(x, y, length, length * 0.55, angle), paint, ("swimming pool", "water"))


def train(scene: Scene, track: np.ndarray, start: float, wagons: int) -> None:
    """Wagons along a track [n, 2], the first at start pixels from its beginning."""
    paint = scene.pick(((200, 202, 206), (150, 50, 44), (60, 90, 140), (110, 88, 72), (226, 222, 214)))
    for _, (x, y, angle) in zip(range(wagons), walk(track, 31, start)):
        body = rect(x, y, 29, 8, angle)
        scene.shadow(body, 6)
        scene.polygon(body, scene.jitter(paint, 0.04), ("trains",))
        scene.polygon(rect(x, y, 27, 3, angle), paint * 1.15)
