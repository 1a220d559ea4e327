"""Command lines that are nearly right."""

import pytest

import annotate
import finetune_clip
import held_out
import main
import predict
import prepare
import report
import tables
import visualize
import zero_shot_clip
from fuzzing import COMMON, DATA, QUICK, cases, ends_well, folder, sound
from helpers import start
from nearly_words import nearly_words, options_of

pytestmark = pytest.mark.usefixtures("quick")

WHOLE = [
    "0",
    "-1",
    "1",
    "2",
    "3",
    "17",
    "1.5",
    "4294967295",
    "4294967296",
    "1" + "0" * 30,
    "1e3",
    "１",
    "1_0",
]
REAL = ["0", "-1", "1", "0.5", "1e-320", "1e38", "1e300", "1e999", "-1e999", "nan", "inf", "0x10"]
TEXT = [
    "",
    " ",
    "é",
    "two\nlines",
    "x" * 300,
    "x" * 5000,
    "\udcff",
    "..",
    ".",
    "~nobody/x",
    "~",
    "{}",
    "{",
    "{0.x}",
    "%s",
    "null",
    "a,b",
    "-",
    "--",
    "a=b",
    "a:b",
    "=x",
    "*",
    "[",
    "0,1",
    "all",
    "0,0",
    "cpu",
    "meta",
    "cuda:99",
    "mps",
    "functions",
    "Class0",
    "wind farm",
    "wind farm: turbines",
    "none",
    "words",
    "/dev/null",
    "/dev/null/x",
    "layer",
    "main",
    "clip",
    "clean",
]
ENDLESS = {
    "--nepoch",
    "--n_batch",
    "--epochs",
    "--seeds",
    "--batch_size",
    "--image_size",
    "--width",
    "--layers",
    "--text_width",
    "--text_layers",
    "--projection",
    "--vocab_size",
    "--context",
    "--divisions",
    "--tile",
    "--pro_start_epoch",
    "--top",
    "--columns",
}  # of which a large number takes long, rightly

FILES = {
    "--descriptions",
    "--root",
    "--image_root",
    "--clip_root",
    "--clip",
    "--image_embedding",
    "--class_embedding",
    "--group_file",
    "--resume",
    "--repeat",
    "--vocabulary",
    "--class_values",
    "--images",
    "--masks",
    "--captions",
    "--test_captions",
    "--image_teacher",
    "--text_teacher",
    "--init",
    "--test_images",
    "--runs",
    "--column",
    "--row",
    "--against",
    "--add_class",
    "--show",
    "--names",
    "--from_xlsa17",
    "--attribute_names",
}


class Show:
    """annotate.py --show: its options are tried on their own."""

    main = staticmethod(annotate.main)


def odd(place):
    """The values that an option is given."""
    files = [
        str(file)
        for file in (
            place,
            place / "words.json",
            place / "values.json",
            place / "captions.jsonl",
            place / "clip",
            place / "run" / "last.safetensors",
            place / "run",
            place / DATA / "mine_splits.mat",
            place / "RSSDIVCS",
            place / "RSSDIVCS" / "Class0" / "image_0.png",
            place / "run" / "results.json",
            place / "nothing",
        )
    ]
    small = [word for word in WHOLE + REAL if len(word) < 5 and word not in ("1e3", "1e38")]

    def values(option):
        if option == "--workers":
            return ["0", "-1", "x", "0.5", "1e3"]
        if option in FILES:
            return 3 * files + TEXT + small
        return 3 * ["1", "2", "0.5"] + small + TEXT + files + ([] if option in ENDLESS else WHOLE + REAL)

    return values


def programs(place):
    data = ["--root", place, "--clip", place / "clip", "--group_file", "mine", "--class_embedding", "mine"]
    captions = ["--images", place / "RSSDIVCS", "--captions", place / "captions.jsonl"]
    return {
        main: [*data, *QUICK, *COMMON],
        annotate: [
            "--root",
            place,
            "--clip",
            place / "clip",
            "--group_file",
            "new",
            "--vocabulary",
            place / "words.json",
            *COMMON,
        ],
        zero_shot_clip: [*data, "--attributes", *COMMON],
        predict: ["--resume", place / "run" / "last.safetensors", place / "RSSDIVCS" / "Class0", *COMMON],
        visualize: [
            "--resume",
            place / "run" / "last.safetensors",
            "--per_class",
            1,
            "--draw",
            1,
            "--device",
            "cpu",
        ],
        report: [place / "run", "--device", "cpu", "--per_class", 0],
        prepare: [place / "RSSDIVCS", "--unseen", 2, "--workers", 1],
        finetune_clip: [*captions, "--init", place / "clip", "--epochs", 1, "--batch_size", 8, *COMMON],
        held_out: ["--resume", place / "run" / "last.safetensors", "--pictures", 1, *COMMON],
        tables: ["--column", "a", place / "run"],
        Show: ["--show", place / DATA / "mine_splits.mat"],
    }


OUTPUT = {
    annotate: "out/new_splits.mat",
    report: "out/page.html",
    held_out: "out/x.json",
    Show: "out/x.png",
}
NO_OUTPUT = (tables,)


def try_on(program, words, place, data, monkeypatch):
    with folder() as here:
        monkeypatch.setattr("runs.folder.REPOSITORY", here)
        monkeypatch.setattr("main.REPOSITORY", here)
        output = (
            []
            if program in NO_OUTPUT
            else ["--picture" if program is Show else "--output", str(here / OUTPUT.get(program, "out"))]
        )
        written = ("--output", "--picture") if program is annotate else ("--output",)
        options = {name: choices for name, choices in options_of(program).items() if name not in written}
        words = data.draw(nearly_words(list(map(str, words)) + output, options, odd(place)))
        if not any(word.startswith("--workers") for word in words) and "--workers" in options:
            words += ["--workers", "0"]
        ends_well(start, program, *words, output=here / "out")


@pytest.mark.parametrize(
    "program, share",
    [
        (main, 0.2),
        (annotate, 0.05),
        (zero_shot_clip, 0.05),
        (predict, 0.08),
        (visualize, 0.03),
        (report, 0.03),
        (prepare, 0.06),
        (finetune_clip, 0.04),
        (held_out, 0.02),
        (tables, 0.03),
        (Show, 0.02),
    ],
)
def test_options(program, share, monkeypatch):
    place = sound()
    words = programs(place)[program]

    @cases(share)
    def one(data):
        try_on(program, words, place, data, monkeypatch)

    one()
