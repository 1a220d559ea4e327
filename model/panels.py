"""One image as the network sees it: its window, and the attributes that decided, with their attention maps. Pictures, no files."""
import argparse
from typing import List

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dsva import Output
from metrics import calibrated_stacking
from options import BRANCH

matplotlib.use("Agg")  # draws to files, needs no screen
import matplotlib.pyplot as plt  # noqa: E402

INK, RIGHT, WRONG, BOX = "#222222", "#1b7837", "#b2182b", "#ffffff"


def named(out: Output, run: argparse.Namespace, classes: np.ndarray, seen: np.ndarray) -> int:
    """Position in `classes` of the class that the run's own branch and calibration give the image."""
    probabilities = getattr(out, BRANCH[run.sel_res]).softmax(dim=1).cpu().numpy()                # [1, C]
    return int(calibrated_stacking(probabilities, np.isin(classes, seen), run.calibrated_stacking).argmax())  # in ZSL none is seen


def draw(picture: Tensor, out: Output, data, guess: int, label, top: int) -> Image.Image:
    """A panel: the image with its window, then the attributes that spoke most for the class, each with its map."""
    worth = data.class_attributes[:, guess]
    contribution = out.attributes_attention[0] * worth                              # score x class value
    strongest = contribution.where(worth > 0, -torch.inf).argsort(descending=True)[:top].tolist()  # of what the class has, not lacks
    pixels, size = picture.permute(1, 2, 0).numpy(), picture.shape[-1]
    figure, axes = plt.subplots(1, 1 + top, figsize=(2.1 * (1 + top), 2.62), dpi=110, layout="constrained")
    for axis in axes:
        axis.imshow(pixels, extent=(0, size, size, 0))
        axis.set_axis_off()
    colour = INK if label is None else RIGHT if guess == label else WRONG
    axes[0].set_title(data.class_names[guess], color=colour, fontsize=10, fontweight="bold", pad=14)
    if label is not None and guess != label:
        axes[0].text(0.5, 1.02, f"is {data.class_names[label]}", transform=axes[0].transAxes, ha="center", fontsize=8, color=INK)
    y, x, height, width = out.boxes[0].tolist()
    axes[0].add_patch(plt.Rectangle((x, y), width, height, fill=False, linewidth=2, edgecolor=BOX, linestyle="--"))
    for axis, a in zip(axes[1:], strongest):
        heat = F.interpolate(out.maps[:, a:a + 1], scale_factor=8, mode="bicubic")[0, 0].cpu().numpy()
        axis.imshow(heat, extent=(0, size, size, 0), cmap="inferno", alpha=0.55, interpolation="bilinear")
        axis.set_title(data.attribute_names[a], fontsize=10, color=INK, pad=14)
        axis.text(0.5, 1.02, f"{contribution[a] / contribution.abs().sum():+.0%} of the decision", transform=axis.transAxes,
                  ha="center", fontsize=8, color="#666666")
    figure.canvas.draw()
    panel = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)
    return panel


def stack(panels: List[Image.Image], columns: int) -> Image.Image:
    """Panels of one size, row by row, on one sheet."""
    width, height = panels[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(panels) // columns) * height), "white")
    for place, panel in enumerate(panels):
        sheet.paste(panel, (place % columns * width, place // columns * height))
    return sheet
