"""Where the model looks: for each image the attributes that decided, with their attention maps laid over it.

    python model/visualize.py --resume runs/X/best.safetensors --split unseen --per_class 2 --output maps/
    python model/visualize.py --resume runs/X/best.safetensors --images my_photos/ --output maps/
    python model/visualize.py --resume runs/X/best.safetensors --masks RSSDIVCS/demo_data/masks     measure it, too

One PNG an image, and contact_sheet.png with all of them. With masks (where each attribute really is, as the demo knows),
it is printed how often the peak of an attention map falls on its attribute (the pointing game), and how far both overlap (IoU).
"""

import argparse
import sys
from pathlib import Path
from typing import List, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from data.images import walk
from data.pipeline import load_image
from dsva.metrics import localization
from pages.panels import draw, look, named, stack
from pages.run_page import choose
from runs.build import load_saved
from support.cli import Parser, number, path
from support.errors import InputError, exits_cleanly, first_line
from support.files import atomic, write_json
from support.machine import REPOSITORY, pick_device
from support.untrusted import check_archive

sys.path.append(str(REPOSITORY / "RSSDIVCS"))


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = pick_device(opt.device)
    run, data, model = load_saved(opt.resume, device)
    chosen = own_images(opt.images) if opt.images else choose(data, opt.split, opt.per_class)
    size = model.tower.config.image_size
    folder = Path(opt.output or Path(opt.resume).parent / "attention")

    sheet, measured = [], []
    for shown, (file, label) in enumerate(tqdm(chosen, desc="attention", leave=False, disable=None)):
        picture = load_image(file, size)
        out = look(picture, run, data, model)
        if opt.masks and label is not None:
            measured.append(localization(out.maps[0].cpu().numpy(), load_masks(Path(opt.masks), file, size)))
        if shown < opt.draw:
            panel = draw(
                picture, out, model.find_window(out, size), data, named(out, run, data), label, opt.top
            )
            name = folder / f"{data.class_names[label] + '_' if label is not None else ''}{file.stem}.png"
            with atomic(name) as temporary:
                panel.save(temporary, format="PNG")
            sheet.append(panel)
    with atomic(folder / "contact_sheet.png") as temporary:
        stack(sheet, columns=opt.columns).save(temporary, format="PNG")
    print(f"{len(sheet)} images and contact_sheet.png in {folder}")
    if measured:
        report(measured, data.attribute_names, folder)


def get_options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="visualize.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--resume",
        type=path,
        required=True,
        metavar="CHECKPOINT",
        help="a saved model: runs/X/best.safetensors",
    )
    parser.add_argument(
        "--split", choices=["unseen", "seen"], default="unseen", help="test images of which classes"
    )
    parser.add_argument(
        "--per_class", type=number(int, 1), default=2, help="images of each class (default: 2)"
    )
    parser.add_argument("--images", type=path, nargs="+", help="your own images or folders of images instead")
    parser.add_argument(
        "--top", type=number(int, 1), default=3, help="attributes for each image (default: 3)"
    )
    parser.add_argument(
        "--draw",
        type=number(int, 1),
        default=200,
        help="panels to draw at most; all images are measured (default: 200)",
    )
    parser.add_argument(
        "--columns",
        type=number(int, 1),
        default=2,
        help="panels side by side on the contact sheet (default: 2)",
    )
    parser.add_argument(
        "--masks",
        type=path,
        help="folder of attribute masks, laid out as the images: measure where attention lies",
    )
    parser.add_argument(
        "--output", type=path, help="folder for the pictures (default: attention/ beside the checkpoint)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    return parser.parse_args(arguments)


def own_images(places: List[str]) -> List[Tuple[Path, None]]:
    found = [(Path(file), None) for file in walk(places)]
    if not found:
        raise InputError(
            f"--images: no image in {', '.join(places)}: expected files such as .jpg, .png or .tif"
        )
    return found


def load_masks(root: Path, image: Path, size: int) -> np.ndarray:
    """bool [A, S, S]: the image's true attribute masks, resized and cropped as the image is."""
    from demo.attributes import read_masks  # of the demo's generator: only its files have masks

    file = root / image.parent.name / f"{image.stem}.npz"
    if not file.is_file():
        raise InputError(
            f"--masks: no masks for {image}: expected {file}, as RSSDIVCS/make_demo.py writes it"
        )
    try:
        check_archive(file)
        masks = torch.from_numpy(read_masks(file)).float()[None]
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise InputError(
            f"{file} holds no masks, as RSSDIVCS/make_demo.py writes them: {first_line(error)}"
        ) from error
    resized, margin = round(size * 256 / 224), (round(size * 256 / 224) - size) // 2
    masks = F.interpolate(masks, size=(resized, resized), mode="nearest")[
        0, :, margin : margin + size, margin : margin + size
    ]
    return masks.numpy() > 0.5


def report(measured: List[dict], names: List[str], folder: Path):
    """Print and save how well attention lies on the attributes: each of them, and their mean. measured: `localization` of each image"""
    every = {
        key: np.stack([one[key] for one in measured]) for key in ("hit", "area", "iou", "iou_chance")
    }  # [n, A]
    counted = np.flatnonzero(np.isfinite(every["hit"]).any(axis=0))
    if not len(counted):
        return print(
            "no attribute of these images has a mask of 0.2 to 50 % of the image: nothing to measure"
        )
    rows = [
        {
            "attribute": names[a],
            "images": int(np.isfinite(every["hit"][:, a]).sum()),
            **{key: float(np.nanmean(values[:, a])) for key, values in every.items()},
        }
        for a in counted
    ]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in every}
    print(f"\n{'in %':24} {'peak on it':>10} {'chance':>7} {'IoU':>7} {'chance':>7} {'images':>7}")
    for row in [
        *sorted(rows, key=lambda row: row["area"] - row["hit"]),
        {"attribute": "mean of the attributes", "images": len(measured), **mean},
    ]:
        print(
            f"{row['attribute']:24} {100 * row['hit']:>10.1f} {100 * row['area']:>7.1f} {100 * row['iou']:>7.1f} "
            f"{100 * row['iou_chance']:>7.1f} {row['images']:>7}"
        )
    print(
        f"peaks {mean['hit'] / mean['area']:.1f} times chance, IoU {mean['iou'] / mean['iou_chance']:.1f} times"
    )
    write_json(
        folder / "localization.json", {**mean, "ratio": mean["hit"] / mean["area"], "attributes": rows}
    )


if __name__ == "__main__":
    main()
