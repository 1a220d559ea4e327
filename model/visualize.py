"""Where the model looks: for each image the attributes that decided, with attention maps laid over it.

    python model/visualize.py --resume runs/X/best.safetensors --split unseen --per_class 2 --output maps/
    python model/visualize.py --resume runs/X/best.safetensors --images my_photos/ --output maps/
    python model/visualize.py --resume runs/X/best.safetensors --images my_photos/ --add_class "wind farm"
    python model/visualize.py --resume runs/X/best.safetensors --masks RSSDIVCS/demo_data/masks
    python model/visualize.py --resume runs/X/best.safetensors --per_class 30 --draw 1 --check

One PNG an image, and contact_sheet.png with the first 60 of them. Above each image stands the class that it
is named with its probability, below it the file's name. Candidates are the classes of the run's own test, and
those that are added, as in predict.py.

Attributes add to the class's lead on the mean candidate, in logits, in the branch that decides. Those that
are seen come first, the strongest before the others. The maps are the attention branch's: the projection
branch has none of its own. Then they show where the model sees an attribute, and are no reason. "less water"
means that its lack adds; it has no map. predict.py tells all of them in the order of what they add.

With --check, the contributions are added up and compared with the network's logits, and the maps are tried,
of the attributes that predict.py tells as seen: the image is blurred at the map's peak, and at a patch
elsewhere, and it is printed how far the attribute's score falls (the deletion test), of all images, drawn or
not.
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import argparse

from support.cli import (
    REPOSITORY,
    Parser,
    add_bands_option,
    add_candidate_options,
    check_candidate_options,
    number,
    path,
)
from support.notes import counted


def get_parser() -> Parser:
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
        help="a saved model: runs/X/best.safetensors, or runs/X for the one that its protocol chose",
    )
    parser.add_argument(
        "--split",
        choices=["unseen", "seen"],
        default="unseen",
        help="test images of which classes",
    )
    parser.add_argument(
        "--per_class",
        type=number(int, 1),
        default=2,
        help="images of each class (default: 2)",
    )
    parser.add_argument(
        "--images",
        type=path,
        nargs="+",
        help="your own images or folders of images instead",
    )
    parser.add_argument(
        "--data",
        type=path,
        metavar="FOLDER",
        help="the dataset's folder, if it has moved since (default: where the run was trained); "
        "--images needs none",
    )
    parser.add_argument(
        "--top",
        type=number(int, 1),
        default=3,
        help="attributes for each image (default: 3)",
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
        "--output",
        type=path,
        help="folder for the pictures (default: attention/ beside the checkpoint)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="do contributions add up, and do scores fall if the image is blurred at the peaks of the maps?",
    )
    add_bands_option(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    add_candidate_options(parser)
    return parser


if __name__ == "__main__":
    get_parser().start()

import sys
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Tuple

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from data.checks import check_images_are_there
from data.images import walk
from data.pipeline import Preprocessing, cut, load_image
from dsva.metrics import localization
from inference.candidates import choose_candidates, print_candidates
from inference.deletion import Check
from inference.new_classes import parse
from inference.saved import SavedRun, kept_embeddings, load_saved
from pages.panels import add_remark, choose_images, draw_panel, look, named_class, stack
from runs.chosen import chosen_checkpoint
from support.errors import InputError, exits_cleanly, first_line
from support.files import atomic, write_json
from support.machine import pick_device
from support.processes import progress
from support.untrusted import check_archive

sys.path.append(str(REPOSITORY / "RSSDIVCS"))  # for `demo.attributes`

MOVED = "Name the folder of the dataset, where it lies now, with --data"
MOVED_OR_OWN = f"{MOVED}, or images of your own with --images"
SHEET = "contact_sheet.png"
ON_SHEET = 60  # panels on it: 200 would be 28,600 pixels high
SHOWN_ATTRIBUTES = 3  # the best and the worst localised ones, as many of each
MEASURES = ("hit", "area", "iou", "iou_chance")  # of `localization`


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    run = load_saved(opt.resume, pick_device(opt.device), opt.data, MOVED)
    if opt.bands:
        run.preprocessing = run.preprocessing.of_bands(opt.bands)
    chosen = own_images(opt.images) if opt.images else test_images(run, opt.split, opt.per_class)
    run.kept = kept_embeddings(run, opt.embedding_cache, opt.cache_dir)
    added = [parse(text) for text in opt.add_class]
    candidates = choose_candidates(
        run, opt.classes, opt.without, added, opt.class_values, opt.clip, opt.calibrated_stacking, opt.prompts
    )
    run.kept.print_summary()
    print_candidates(run, candidates, opt.classes is None, added, opt.prompts)
    folder = Path(opt.output or Path(opt.resume).parent / "attention")

    panels: List[Image.Image] = []
    taken = {SHEET}
    measured = []
    check = Check(run, candidates, opt.top) if opt.check else None
    for file, label in progress(chosen, "attention"):
        pixels = load_image(file, run.preprocessing)
        out = look(run, candidates, pixels)
        if opt.masks and label is not None:
            masks = load_masks(Path(opt.masks), file, run.preprocessing)
            measured.append(localization(out.maps[0].cpu().numpy(), masks))
        if check:
            check.add(pixels, out, named_class(run, candidates, out).number)
        if len(panels) < opt.draw:
            class_name = None if label is None else run.data.class_names[label]
            panel = draw_panel(run, candidates, pixels, out, class_name, file, opt.top)
            save_picture(add_remark(panel, run.branch), folder / panel_name(file, class_name, taken))
            panels.append(panel)

    sheet = stack(panels[:ON_SHEET], opt.columns)
    save_picture(add_remark(sheet, run.branch), folder / SHEET)
    print(f"{counted(len(panels), 'image')} and {SHEET} in {folder}")
    if len(panels) > ON_SHEET:
        print(f"note: {SHEET} has the first {ON_SHEET} of them")
    if len(chosen) > len(panels):
        drawn = f"{len(panels)} of {len(chosen)} images were drawn"
        print(f"note: {drawn}; visualize.py --draw {len(chosen)} draws all")
    if measured:
        report_localization(measured, run.data.attribute_names, folder)
    if check:
        check.print_found()
        write_json(folder / "check.json", check.found())


def get_options(arguments=None) -> argparse.Namespace:
    parser = get_parser()
    opt = parser.parse_args(arguments)
    check_candidate_options(parser, opt)
    opt.resume = chosen_checkpoint(opt.resume)
    return opt


def test_images(run: SavedRun, split: str, per_class: int) -> List[Tuple[Path, Optional[int]]]:
    """Test images of the run's dataset, with their labels."""
    chosen = choose_images(run.dataset.load(MOVED_OR_OWN), split, per_class)
    check_images_are_there([file for file, _ in chosen], MOVED_OR_OWN)
    return list(chosen)


def own_images(places: List[str]) -> List[Tuple[Path, Optional[int]]]:
    """Images of the user's, whose classes nobody knows."""
    found: List[Tuple[Path, Optional[int]]] = [(Path(file), None) for file in walk(places)]
    if not found:
        raise InputError(
            f"--images: no image in {', '.join(places)}: expected files such as .jpg, .png or .tif"
        )
    return found


def panel_name(file: Path, class_name: Optional[str], taken: Set[str]) -> str:
    """CLASS_NAME.png, or NAME.png of an image of the user's; NAME-2.png if another image has that.

    taken: names of other pictures, to which this one is added
    """
    stem = file.stem if class_name is None else f"{class_name}_{file.stem}"
    name, number = f"{stem}.png", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name)
    return name


def save_picture(picture: Image.Image, file: Path):
    with atomic(file) as temporary:
        picture.save(temporary, format="PNG")


# ---- does attention lie on the attributes? ---------------------------------------------------------


def load_masks(root: Path, image: Path, how: Preprocessing) -> np.ndarray:
    """bool [A, S, S]: the image's true attribute masks, resized and cropped as the image is."""
    from demo.attributes import read_masks  # of the demo's generator: only its files have masks

    file = root / image.parent.name / f"{image.stem}.npz"
    if not file.is_file():
        raise InputError(
            f"--masks: no masks for {image}: expected {file}, as RSSDIVCS/make_demo.py writes it"
        )
    try:
        check_archive(file)
        masks = torch.from_numpy(read_masks(file)).float()  # [A, H, W]
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise InputError(
            f"{file} holds no masks, as RSSDIVCS/make_demo.py writes them: {first_line(error)}"
        ) from error
    resized = TF.resize(masks, how.shorter_side, InterpolationMode.NEAREST)
    return cut(resized, how.size).numpy() > 0.5


def report_localization(measured: List[Dict[str, np.ndarray]], names: Sequence[str], folder: Path):
    """Print and save how well attention lies on each attribute, and the mean of the attributes.

    measured: `localization` of each image
    """
    values = {key: np.stack([image[key] for image in measured]) for key in MEASURES}  # each [n, A]
    is_measured = np.isfinite(values["hit"])
    attributes = np.flatnonzero(is_measured.any(axis=0))
    if not len(attributes):
        print("no attribute of these images has a mask of 0.2 to 50 % of the image: nothing to measure")
        return
    rows = []
    for a in attributes:
        row = {"attribute": names[a], "images": int(is_measured[:, a].sum())}
        for key in MEASURES:
            row[key] = float(np.nanmean(values[key][:, a]))
        rows.append(row)
    mean = {key: float(np.mean([row[key] for row in rows])) for key in MEASURES}
    hit_ratio, iou_ratio = mean["hit"] / mean["area"], mean["iou"] / mean["iou_chance"]

    print(f"\n{'in %':24} {'peak on it':>10} {'chance':>7} {'IoU':>7} {'chance':>7} {'images':>7}")
    print_localization({"attribute": "mean of the attributes", "images": len(measured), **mean})
    ordered = sorted(rows, key=lambda row: row["area"] - row["hit"])  # the best first
    if len(ordered) <= 2 * SHOWN_ATTRIBUTES:
        print_localization(*ordered)
    else:
        print_localization(*ordered[:SHOWN_ATTRIBUTES])
        print(f"... {len(ordered) - 2 * SHOWN_ATTRIBUTES} more, all in localization.json")
        print_localization(*ordered[-SHOWN_ATTRIBUTES:])
    print(f"peaks {hit_ratio:.1f} times chance, IoU {iou_ratio:.1f} times")
    write_json(folder / "localization.json", {**mean, "ratio": hit_ratio, "attributes": rows})


def print_localization(*rows: dict):
    for row in rows:
        print(
            f"{row['attribute']:24} {100 * row['hit']:>10.1f} {100 * row['area']:>7.1f} "
            f"{100 * row['iou']:>7.1f} {100 * row['iou_chance']:>7.1f} {row['images']:>7}"
        )


if __name__ == "__main__":
    main()
