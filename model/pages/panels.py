"""One image as the network sees it: its window, and the attributes that decided, with attention maps.

A panel is a picture: the image with its window, and beside it the image again for each attribute. What an
attribute adds is told by the branch that counts. The maps are the attention branch's: of another branch they
only show where the model sees the attribute, and the panel says so.
matplotlib is imported when one is drawn.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from data.benchmark import Benchmark
from data.images import printable
from data.names import readable, spelling
from dsva.network import Output
from inference.candidates import Candidates
from inference.classifier import Classifier
from inference.contributions import explain, has_place, in_words, of_lead
from inference.pictures import Picture
from inference.saved import SavedRun
from pages.attention_maps import COLOURS, opacity_of, peak_of, scaled_heat
from support.errors import InputError
from support.figures import load_font, use_letters_of
from support.notes import quietly

LONGEST_NAME = 30  # letters of a file's name
NO_PLACE = "*"  # beside an attribute that decides by the class token: its map shows where it is seen, too
REMARK = 11  # pixels, the height of the letters below a panel
FADED = 0.4  # of an image in which an attribute is lacking
INK, GRAY, RIGHT, WRONG = "#222222", "#666666", "#1b7837", "#b2182b"


# ---- what the network says -------------------------------------------------------------------------


def choose_images(data: Benchmark, split: str, per_class: int) -> List[Tuple[Path, int]]:
    """The first test images of every class, with their labels: one of each class, then another of each, ...

    split: "seen" or "unseen"
    """
    test = data.splits[f"test_{split}_loc"]
    labels = data.labels[test]
    by_class = {int(c): test[labels == c] for c in np.unique(labels)}
    chosen = []
    for n in range(per_class):
        for c, images in by_class.items():
            if n < len(images):
                chosen.append((data.image_paths[images[n]], c))
    return chosen


@dataclass(frozen=True)
class Named:
    """What an image was named: the number among the candidates, the class, and its probability."""

    number: int
    name: str
    probability: float


def look(run: SavedRun, candidates: Candidates, pixels: Tensor) -> Output:
    """What the network says of an image [3, S, S] uint8, as in its own evaluation."""
    return run.look(pixels[None], candidates.attributes)


def named_class(run: SavedRun, candidates: Candidates, out: Output) -> Named:
    """What the branch that counts names an image, with the candidates' calibration.  out: of one image"""
    probabilities = run.class_scores(out).softmax(dim=1).cpu().numpy()  # [1, K]
    best = int(candidates.calibrated(probabilities).argmax())
    return Named(best, candidates.names[best], float(probabilities[0, best]))


def whose_maps(branch: str) -> str:
    """Whose attention is drawn, in words.  branch: the one that counts"""
    if branch == "attention":
        place = f"{NO_PLACE} its score is the class token's, of no place"
        return f"maps: attention of the branch that decides ({place})"
    return f"maps: where the model sees it; the branch that decides ({branch}) has no map of its own"


# ---- what is drawn ---------------------------------------------------------------------------------


def draw_attention(
    classifier: Classifier, picture: Picture, label: Optional[str] = None, top: int = 3
) -> Image.Image:
    """Where a saved run looks in a picture, for a notebook: a panel, as visualize.py writes it.

    classifier: from `inference.load_run`
    picture:    a path, a PIL image, or uint8 [3, S, S]
    label:      the name of its class, in any spelling, if it is known: then the panel says whether that was
                found
    top:        attributes at most

    Raises InputError if the picture cannot be read, or there is a CLIP alone, which has no attention maps.
    """
    if not isinstance(classifier, Classifier):
        raise InputError("attention is of a saved run, as inference.load_run gives it: a CLIP alone has none")
    pixels = classifier.prepare(picture)
    if len(pixels) != 1 or type(top) is not int or top < 1:
        raise InputError(f"expected one picture and top from 1 on, found {len(pixels)} and {top!r}")
    file = picture if isinstance(picture, (str, os.PathLike)) else getattr(picture, "filename", "")
    if label is not None:
        same = [name for name in classifier.candidates.names if spelling(name) == spelling(label)]
        label = same[0] if same else label
    run, candidates = classifier.run, classifier.candidates
    with quietly():
        out = look(run, candidates, pixels[0])
        panel = draw_panel(run, candidates, pixels[0], out, label, Path(file), top)
        return add_remark(panel, run.branch)


def draw_panel(
    run: SavedRun,
    candidates: Candidates,
    pixels: Tensor,
    out: Output,
    label: Optional[str],
    file: Path,
    top: int,
) -> Image.Image:
    """An image with its window, then attributes that add to its class, with attention maps.

    Those that are seen come first, since a panel shows where. A lack has no map: there is nowhere to look.

    pixels: [3, S, S] uint8
    out:    of that one image
    label:  the name of its class, None if it is not known
    file:   whose name is written below it, Path() if there is none
    top:    attributes at most

    What the numbers and the maps are is told by `add_remark`, once for several panels.
    """
    named = named_class(run, candidates, out)
    attribute_names = run.data.attribute_names
    size = pixels.shape[-1]
    top = min(top, len(attribute_names))
    found = explain(run, candidates, out, named.number)
    with use_letters_of([*candidates.names, label or "", file.name, *attribute_names]):
        # not at the top: it takes a second, and most pages are made without; and only after use_letters_of
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(2.1 * (1 + top) + 0.45, 2.58), dpi=110, layout="constrained")
        canvas = FigureCanvasAgg(figure)  # draws into memory, and needs no screen
        figure.get_layout_engine().set(rect=(0, 0.05, 1, 0.925))
        axes = figure.subplots(1, 1 + top)
        for axis in axes:
            axis.set_axis_off()

        show(axes[0], pixels)
        name_classes(axes[0], named, label)
        name_file(axes[0], file)
        add_window(axes[0], run.model.find_windows(out)[0], size)
        is_of_patch = has_place(out)[0]
        overlay = None
        for axis, a in zip(axes[1:], found.seen_first(top)):  # none with one candidate
            is_seen = found.scores[a] > 0
            show(axis, pixels, 1 if is_seen else FADED)
            if is_seen:
                overlay = add_map(axis, out.maps[0, a], size)
            title = in_words(attribute_names[a], found.scores[a])
            remark = of_lead(found.values[a], found.lead)
            if is_seen and run.branch == "attention" and not is_of_patch[a]:
                remark += NO_PLACE
            add_title(axis, title, remark)
        if overlay is not None:
            add_scale(figure, axes, overlay)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def show(axis, pixels: Tensor, opacity: float = 1.0):
    """pixels: [3, S, S] uint8"""
    size = pixels.shape[-1]
    axis.imshow(pixels.permute(1, 2, 0).numpy(), extent=(0, size, size, 0), alpha=opacity)


def name_classes(axis, named: Named, label: Optional[str]):
    """What the image was named and how probably, green if that is right; and what it is, if it is not."""
    name = readable(named.name)
    remark = f"{named.probability:.0%}"
    if label is None:
        add_title(axis, name, remark, INK)
    elif label == named.name:
        add_title(axis, name, remark, RIGHT)
    else:
        add_title(axis, name, f"{remark}, is {readable(label)}", WRONG)


def name_file(axis, file: Path):
    """Below the image. Of a long name the beginning and the end."""
    name = printable(file.name)
    if len(name) > LONGEST_NAME:
        half = LONGEST_NAME // 2
        name = f"{name[: half - 1]}…{name[-half:]}"
    place = {"transform": axis.transAxes, "ha": "center", "va": "top"}
    axis.text(0.5, -0.02, name, fontsize=7, color=GRAY, parse_math=False, **place)


def add_window(axis, box: Tensor, size: int):
    """A dashed rectangle; none if the window is the whole image, which is not looked at again.

    box: [4] top, left, height, width in pixels;  size: of the image
    """
    from matplotlib.patches import Rectangle

    top, left, height, width = box.tolist()
    if height >= size and width >= size:
        return
    dashes = (0, (4, 3))
    window = Rectangle(
        (left, top), width, height, fill=False, linewidth=1.6, edgecolor="white", linestyle=dashes
    )
    axis.add_patch(window)


def add_map(axis, attention: Tensor, size: int):
    """Lay a map [G, G] over the image, scaled to its own range; a ring marks its peak.

    The weaker the attention, the more transparent it is. Returns what a scale is drawn for.
    """
    heat = scaled_heat(attention)
    overlay = axis.imshow(
        heat,
        extent=(0, size, size, 0),
        cmap=COLOURS,
        alpha=opacity_of(heat),
        interpolation="bilinear",
        vmin=0,
        vmax=1,
    )
    axis.plot(
        *peak_of(attention, size),
        "o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor="white",
        markeredgewidth=1.2,
    )
    return overlay


def add_scale(figure, axes, overlay):
    """The colours of the maps, right of them all."""
    scale = figure.colorbar(overlay, ax=list(axes), shrink=0.86, aspect=28, pad=0.008, ticks=[0, 1])
    scale.ax.set_yticklabels(["least", "most"], fontsize=7, color=GRAY)
    scale.set_label("attention, each map by itself", fontsize=7, color=GRAY, labelpad=-14)
    scale.outline.set_visible(False)
    scale.ax.tick_params(length=0)


def add_title(axis, title: str, remark: str, colour: str = INK):
    """A title, and a remark in small letters below it. Names may hold anything, so nothing is read as TeX."""
    weight = "bold" if colour != INK else "normal"
    axis.set_title(title, color=colour, fontsize=10, fontweight=weight, pad=15, parse_math=False)
    axis.text(
        0.5,
        1.025,
        remark,
        transform=axis.transAxes,
        ha="center",
        fontsize=8,
        color=GRAY,
        parse_math=False,
    )


def stack(panels: List[Image.Image], columns: int) -> Image.Image:
    """Panels of one size, row by row, on one sheet."""
    width, height = panels[0].size
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)  # rounded up
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        sheet.paste(panel, (column * width, row * height))
    return sheet


def add_remark(panels: Image.Image, branch: str) -> Image.Image:
    """A panel, or a sheet of several, with a line each below it of what the numbers, maps and frames are.

    branch: the one that counts
    """
    lines = [
        "numbers: what it adds to the class's lead on the mean candidate, in logits",
        whose_maps(branch),
        "dashed frame: the window for a second look, where it is not the whole image",
    ]
    size = REMARK
    font = load_font("", size)
    while size > 1 and max(map(font.getlength, lines)) > panels.width - 2 * size:
        size -= 1  # of one attribute
        font = load_font("", size)
    height = round(1.5 * size)  # of a line
    sheet = Image.new("RGB", (panels.width, panels.height + height * len(lines) + size // 2), "white")
    sheet.paste(panels)
    pen = ImageDraw.Draw(sheet)
    for place, line in enumerate(lines):
        pen.text((panels.width - size, panels.height + height * place), line, GRAY, font, anchor="ra")
    return sheet
