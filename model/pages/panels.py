"""One image as the network sees it: its window, and the attributes that decided, with their attention maps. Pictures, no files."""

import argparse
from typing import List, Optional

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from data.benchmark import Benchmark, readable
from data.pipeline import normalize
from dsva.metrics import calibrated_stacking, contributions
from dsva.network import DSVA, Output
from runs.options import BRANCH, needs_windows

matplotlib.use("Agg")  # draws to files, needs no screen

INK, GRAY, RIGHT, WRONG = "#222222", "#666666", "#1b7837", "#b2182b"


def look(picture: Tensor, run: argparse.Namespace, data: Benchmark, model: DSVA) -> Output:
    """What a saved run (see build.load_saved) says of an image [3, S, S] uint8, as it says it in its own evaluation."""
    candidates = data.class_attributes[:, data.candidates(run.gzsl)]
    with torch.inference_mode():
        return model(
            normalize(picture[None].to(candidates.device), run.normalize),
            candidates,
            needs_windows(run, run.epoch),
        )


def named(out: Output, run: argparse.Namespace, data: Benchmark) -> int:
    """The class that the run's own branch and calibration give the image."""
    classes = data.candidates(run.gzsl)
    probabilities = getattr(out, BRANCH[run.sel_res]).softmax(dim=1).cpu().numpy()  # [1, C]
    return int(
        classes[
            calibrated_stacking(probabilities, np.isin(classes, data.seen), run.calibrated_stacking).argmax()
        ]
    )  # in ZSL none is seen


def draw(
    picture: Tensor, out: Output, box: Tensor, data: Benchmark, guess: int, label: Optional[int], top: int
) -> Image.Image:
    """A panel: the image with its window, then the attributes that spoke most for the class, each with its attention map.

    picture: [3, S, S] uint8;  out: of that one image;  box: [1, 4];  guess, label: class numbers, label None if it is not known
    """
    top = min(top, len(data.attribute_names))
    share, strongest = contributions(
        out.attributes_attention[0].cpu().numpy(), data.class_attributes[:, guess].cpu().numpy(), top
    )
    size = picture.shape[-1]
    figure, axes = plt.subplots(
        1, 1 + top, figsize=(2.1 * (1 + top) + 0.45, 2.6), dpi=110, layout="constrained"
    )
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))
    for axis in axes:
        axis.imshow(picture.permute(1, 2, 0).numpy(), extent=(0, size, size, 0))
        axis.set_axis_off()
    truth = "" if label is None or guess == label else f"is {readable(data.class_names[label])}"
    entitle(
        axes[0], readable(data.class_names[guess]), truth, INK if label is None else WRONG if truth else RIGHT
    )
    y, x, height, width = box[0].tolist()
    axes[0].add_patch(
        plt.Rectangle(
            (x, y), width, height, fill=False, linewidth=1.6, edgecolor="white", linestyle=(0, (4, 3))
        )
    )
    for axis, a in zip(axes[1:], strongest):
        shown = lay_over(axis, out.maps[0, a], size)
        entitle(axis, data.attribute_names[a], f"{share[a]:+.0%} of the decision")
    if len(strongest):  # a class may have less than the mean of everything
        add_scale(figure, axes, shown)
    figure.canvas.draw()
    panel = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)
    return panel


def lay_over(axis, attention: Tensor, size: int):
    """Lay a map [G, G] over the image on this axis, scaled to its own range; the weaker, the more transparent. A ring marks its peak."""
    grid = len(attention)
    heat = F.interpolate(attention[None, None], scale_factor=8, mode="bicubic")[0, 0]
    heat = ((heat - heat.min()) / (heat.max() - heat.min()).clamp_min(1e-12)).cpu().numpy()
    shown = axis.imshow(
        heat,
        extent=(0, size, size, 0),
        cmap="inferno",
        alpha=0.25 + 0.5 * heat,
        interpolation="bilinear",
        vmin=0,
        vmax=1,
    )
    y, x = np.unravel_index(int(attention.argmax()), (grid, grid))
    axis.plot(
        (x + 0.5) * size / grid,
        (y + 0.5) * size / grid,
        "o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor="white",
        markeredgewidth=1.2,
    )
    return shown


def add_scale(figure, axes, shown):
    scale = figure.colorbar(shown, ax=list(axes), shrink=0.86, aspect=28, pad=0.008, ticks=[0, 1])
    scale.ax.set_yticklabels(["least", "most"], fontsize=7, color=GRAY)
    scale.set_label("attention, each map by itself", fontsize=7, color=GRAY, labelpad=-14)
    scale.outline.set_visible(False)
    scale.ax.tick_params(length=0)


def entitle(axis, title: str, remark: str, colour: str = INK):
    axis.set_title(
        title,
        color=colour,
        fontsize=10,
        fontweight="bold" if colour != INK else "normal",
        pad=15,
        parse_math=False,
    )
    axis.text(
        0.5, 1.025, remark, transform=axis.transAxes, ha="center", fontsize=8, color=GRAY, parse_math=False
    )


def stack(panels: List[Image.Image], columns: int) -> Image.Image:
    """Panels of one size, row by row, on one sheet."""
    width, height = panels[0].size
    columns = min(columns, len(panels))
    sheet = Image.new("RGB", (columns * width, -(-len(panels) // columns) * height), "white")
    for place, panel in enumerate(panels):
        sheet.paste(panel, (place % columns * width, place // columns * height))
    return sheet
