"""Files that are nearly right: JSON, captions, what runs and predictions leave, pictures, weights."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import annotate
import finetune_clip
import main
import predict
import prepare
import report
import tables
from clip.attributes import load_vocabulary
from clip.captions import read_captions
from clip.checkpoint import load_both_towers
from clip.kinds import kind_of
from clip.processor import read_preprocessing
from clip.sentences import read_descriptions
from clip.teachers import read_image_vectors
from data import rasters
from data.image_lists import lines_by_image
from data.images import read_image
from data.pipeline import Images, Normalize, Preprocessing, dsva_preprocessing, load_image
from fuzzing import (
    CLASS_NAMES,
    COMMON,
    QUICK,
    any_picture,
    cases,
    dumped,
    ends_well,
    folder,
    image_processors,
    nearly,
    nearly_bytes,
    nearly_json,
    run,
    sound,
)
from helpers import NAMES, VOCABULARY
from inference import scenes
from inference.new_columns import columns_by_hand
from inference.saved import load_saved

pytestmark = pytest.mark.usefixtures("quick")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def place() -> Path:
    return sound()


def lines(file: Path) -> list:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


# ---- JSON ------------------------------------------------------------------------------------------


@cases(0.04)
def test_vocabulary(place, data):
    with folder() as here:
        (here / "words.json").write_bytes(data.draw(nearly_json(VOCABULARY)))
        ends_well(load_vocabulary, here / "words.json", place=place)


@cases(0.02)
def test_annotating_with_a_vocabulary(place, data):
    with folder() as here:
        (here / "words.json").write_bytes(data.draw(nearly_json(VOCABULARY)))
        ends_well(
            run,
            annotate,
            "--root",
            place,
            "--clip",
            place / "clip",
            "--vocabulary",
            here / "words.json",
            "--group_file",
            "new",
            "--output",
            here / "new" / "new_splits.mat",
            *COMMON,
            place=place,
            output=here / "new",
        )


@cases(0.04)
def test_class_values(place, data):
    with folder() as here:
        (here / "values.json").write_bytes(
            data.draw(nearly_json(json.loads((place / "values.json").read_text())))
        )
        ends_well(columns_by_hand, here / "values.json", NAMES, np.eye(len(NAMES)), place=place)


@cases(0.04)
def test_descriptions(place, data):
    said = {"airport": "runways, ships", "beach": ["sand", "open water"], "port": "ships"}
    with folder() as here:
        (here / "said.json").write_bytes(data.draw(nearly_json(said)))
        ends_well(read_descriptions, here / "said.json", ["Airport", "beach", "port"], {}, place=place)


@cases(0.02)
def test_predicting_with_class_values(place, data):
    with folder() as here:
        (here / "values.json").write_bytes(
            data.draw(nearly_json(json.loads((place / "values.json").read_text())))
        )
        ends_well(
            run,
            predict,
            "--resume",
            place / "run" / "last.safetensors",
            place / "RSSDIVCS" / "Class0",
            "--class_values",
            here / "values.json",
            "--output",
            here / "out",
            *COMMON,
            place=place,
            output=here / "out",
        )


@cases(0.08)
def test_captions(place, data):
    with folder() as here:
        (here / "captions.jsonl").write_bytes(
            data.draw(nearly_json(lines(place / "captions.jsonl")[:3], lines=True))
        )
        ends_well(read_captions, here / "captions.jsonl", place / "RSSDIVCS", "train", place=place)


@cases(0.04)
def test_rsicd_captions(place, data):
    images = [
        {
            "filename": line["image"],
            "split": "train",
            "sentences": [{"raw": text} for text in line["captions"]],
        }
        for line in lines(place / "captions.jsonl")[:2]
    ]
    with folder() as here:
        (here / "rsicd.json").write_bytes(data.draw(nearly_json({"images": images, "dataset": "rsicd"})))
        ends_well(read_captions, here / "rsicd.json", place / "RSSDIVCS", "train", place=place)


@cases(0.01)
def test_training_on_captions(place, data):
    with folder() as here:
        (here / "captions.jsonl").write_bytes(
            data.draw(nearly_json(lines(place / "captions.jsonl")[:3], lines=True))
        )
        ends_well(
            run,
            finetune_clip,
            "--images",
            place / "RSSDIVCS",
            "--captions",
            here / "captions.jsonl",
            "--init",
            place / "clip",
            "--output",
            here / "out",
            "--epochs",
            1,
            "--batch_size",
            2,
            *COMMON,
            place=place,
            output=here / "out",
        )


@cases(0.03)
def test_lists_of_images(place, data):
    known = {line["image"] for line in lines(place / "captions.jsonl")}
    with folder() as here:
        (here / "list.jsonl").write_bytes(
            data.draw(nearly_json(lines(place / "captions.jsonl")[:3], lines=True))
        )
        ends_well(lines_by_image, here / "list.jsonl", known, place=place)


# ---- runs and predictions --------------------------------------------------------------------------


def spoil(target: Path, data):
    """Of a folder, one file is nearly right, or lost."""
    file = data.draw(
        st.sampled_from(
            sorted(file for file in target.iterdir() if file.suffix in (".json", ".jsonl", ".csv"))
        )
    )
    content = file.read_bytes()
    new = (
        nearly_json(lines(file), lines=True)
        if file.suffix == ".jsonl"
        else nearly_json(json.loads(content))
        if file.suffix == ".json"
        else nearly_table(content)
    )
    file.write_bytes(data.draw(new | new | new | new | nearly_bytes(content)))


@st.composite
def nearly_table(draw, content):
    rows = [line.split(",") for line in content.decode().splitlines()]
    row = draw(st.integers(0, len(rows) - 1))
    column = draw(st.integers(0, len(rows[row]) - 1))
    rows[row][column] = draw(
        st.sampled_from(
            [
                "",
                "x",
                "nan",
                "inf",
                "1e999",
                "-1",
                "1.5",
                '"',
                '"a\nb"',
                "9" * 30,
                "9" * 5000,
                "a,b",
                "\0",
                "seen",
                rows[0][0],
            ]
        )
    )
    return "\n".join(map(",".join, rows)).encode() + draw(st.sampled_from([b"\n", b"", b"\n\n", b"\xff"]))


@cases(0.08)
def test_the_report_of_a_run(place, data):
    with folder() as here:
        target = Path(
            shutil.copytree(place / "run", here / "run", ignore=shutil.ignore_patterns("*.safetensors"))
        )
        spoil(target, data)
        ends_well(
            run,
            report,
            target,
            "--output",
            here / "out" / "page.html",
            "--device",
            "cpu",
            place=place,
            output=here / "out",
        )


@cases(0.06)
def test_the_report_of_a_prediction(place, data):
    with folder() as here:
        target = Path(shutil.copytree(place / "predictions", here / "predictions"))
        spoil(target, data)
        ends_well(
            run,
            report,
            target,
            "--output",
            here / "out" / "page.html",
            "--images",
            2,
            "--device",
            "cpu",
            place=place,
            output=here / "out",
        )


@cases(0.05)
def test_tables_of_a_run(place, data):
    with folder() as here:
        target = Path(
            shutil.copytree(place / "run", here / "run", ignore=shutil.ignore_patterns("*.safetensors"))
        )
        spoil(target, data)
        ends_well(run, tables, "--row", "a", target, "--scores", "H", "U", "ZSL", place=place)


@cases(0.03)
def test_comparing_runs(place, data):
    scores = {"names": {"accuracy": 1.0, "U": 1.0, "S": 2.0, "H": 1.3, "AUSUC": 0.5}}
    baseline = {"scores": {"names": scores["names"], "attributes": scores["names"]}}
    training = {
        "chance": 50.0,
        "last": {"scores": {branch: {**scores["names"], "ZSL": 1.0} for branch in ("final", "attention")}},
    }
    results = {
        "baseline_zsl": baseline,
        "baseline_gzsl": baseline,
        "zsl": training,
        "gzsl": training,
        "words": training,
    }
    spoilt = data.draw(st.sampled_from(sorted(results)))
    with folder() as here:
        for name, value in results.items():
            (here / name).mkdir()
            (here / name / "results.json").write_bytes(
                data.draw(nearly_json(value)) if name == spoilt else json.dumps(value).encode()
            )
        ends_well(run, tables, "--quickstart", here, place=place)


@cases(0.05)
def test_going_on_with_a_run(place, data):
    described = [
        "--root",
        place,
        "--clip",
        place / "clip",
        "--class_embedding",
        "mine",
        "--group_file",
        "mine",
    ]
    with folder() as here:
        target = Path(shutil.copytree(place / "run", here / "run"))
        spoil(target, data)
        ends_well(
            run,
            main,
            *described,
            "--output",
            target,
            *QUICK,
            "--nepoch",
            data.draw(st.sampled_from([2, 3])),
            *COMMON,
            place=place,
        )


@cases(0.04)
def test_repeating_a_run(place, data):
    with folder() as here:
        (here / "results.json").write_bytes(
            data.draw(nearly_json(json.loads((place / "run" / "results.json").read_text())))
        )
        ends_well(
            run,
            main,
            "--repeat",
            here / "results.json",
            "--output",
            here / "out",
            *COMMON,
            place=place,
            output=here / "out",
        )


@cases(0.03)
def test_going_on_with_a_prediction(place, data):
    with folder() as here:
        target = Path(shutil.copytree(place / "predictions", here / "predictions"))
        spoil(target, data)
        ends_well(
            run,
            predict,
            "--resume",
            place / "run" / "last.safetensors",
            place / "RSSDIVCS",
            "--output",
            target,
            *COMMON,
            place=place,
        )


# ---- weights ---------------------------------------------------------------------------------------


@cases(0.06)
def test_checkpoints(place, data):
    with safe_open(place / "run" / "last.safetensors", framework="pt") as file:
        weights, metadata = (
            {name: file.get_tensor(name) for name in file.keys()},  # noqa: SIM118, no dict
            {key: json.loads(value) for key, value in sorted(file.metadata().items())},
        )
    with folder() as here:
        new = data.draw(nearly(metadata).filter(lambda value: isinstance(value, dict)))
        save_file(
            weights,
            here / "x.safetensors",
            metadata={key.replace("\ud800", ""): dumped(value) for key, value in new.items()},
        )
        ends_well(load_saved, here / "x.safetensors", CPU, place=place)


@cases(0.06)
def test_weights(place, data):
    content = (place / "run" / "last.safetensors").read_bytes()
    with folder() as here:
        (here / "x.safetensors").write_bytes(data.draw(nearly_bytes(content)))
        ends_well(load_saved, here / "x.safetensors", CPU, place=place)


@cases(0.05)
def test_clip_folders(place, data):
    with folder() as here:
        target = Path(shutil.copytree(place / "clip", here / "clip"))
        file = data.draw(st.sampled_from(sorted(target.iterdir())))
        content = file.read_bytes()
        file.write_bytes(
            data.draw(
                nearly_json(json.loads(content))
                if file.suffix == ".json" and "vocab" not in file.name and file.name != "tokenizer.json"
                else nearly_bytes(content)
            )
        )
        ends_well(load_both_towers, target, place=place)


@cases(0.06)
def test_processors_of_any_form(place, picture, data):
    with folder() as here:
        target = Path(shutil.copytree(place / "clip", here / "clip"))
        for name in ("preprocessor_config.json", "processor_config.json"):
            (target / name).unlink(missing_ok=True)
        for name, content in data.draw(image_processors()).items():
            (target / name).write_bytes(content)
        ends_well(prepare_picture, target, picture, place=place)


def prepare_picture(clip: Path, picture: Path):
    """What is followed gives the tower finite numbers of the right size."""
    how = read_preprocessing(clip, 32)
    pixels = Normalize(how)(load_image(picture, how)[None])
    assert pixels.shape == (1, 3, 32, 32) and pixels.isfinite().all()


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("picture") / "x.png"
    Image.new("RGB", (50, 70), (10, 200, 30)).save(file)
    return file


@cases(0.05)
def test_what_a_file_is(place, data):
    content = load_file(place / "clip" / "model.safetensors")
    is_new = data.draw(st.booleans())
    with folder() as here:
        torch.save(content, here / "x.pt", _use_new_zipfile_serialization=is_new)
        whole = data.draw(
            st.sampled_from(
                [(here / "x.pt").read_bytes(), (place / "clip" / "model.safetensors").read_bytes()]
            )
        )
        name = data.draw(st.sampled_from(["x.pt", "x.safetensors", "pytorch_model.bin"]))
        (here / name).write_bytes(data.draw(nearly_bytes(whole)))
        kind = kind_of(here / name)
        assert kind.name and kind.what.isprintable() and kind.todo
        ends_well(load_both_towers, here / name, place=place)
        (here / "config.json").write_text("{}")
        ends_well(load_both_towers, here, place=place)


@cases(0.05)
def test_teachers(place, data):
    vectors, names = np.random.default_rng(0).normal(size=(3, 4)), np.array(["a", "b", "c"])
    file = io.BytesIO()
    np.savez(file, names=names, vectors=vectors)
    with folder() as here:
        (here / "teacher.npz").write_bytes(data.draw(nearly_bytes(file.getvalue())))
        ends_well(read_image_vectors, here / "teacher.npz", ["a", "b"], place=place)


# ---- pictures --------------------------------------------------------------------------------------

KINDS = [
    ("RGB", "PNG"),
    ("P", "PNG"),
    ("I;16", "PNG"),
    ("LA", "PNG"),
    ("RGB", "JPEG"),
    ("CMYK", "JPEG"),
    ("L", "JPEG"),
    ("RGB", "TIFF"),
    ("F", "TIFF"),
    ("1", "TIFF"),
    ("P", "GIF"),
    ("RGB", "BMP"),
    ("P", "BMP"),
    ("RGB", "WEBP"),
    ("RGB", "JPEG2000"),
    ("RGB", "PPM"),
    ("RGBA", "TGA"),
    ("RGB", "ICO"),
    ("RGB", "AVIF"),
    ("L", "PCX"),
    ("RGB", "DDS"),
    ("RGBA", "QOI"),
    ("RGB", "SGI"),
    ("P", "IM"),
]


DSVA = dsva_preprocessing(32, "imagenet")
CLIPS = Preprocessing(size=32, shorter_side=36, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2), bicubic=True)


@pytest.fixture(scope="module")
def pictures() -> list:
    """Of each kind its ending and the bytes of a picture."""
    noise, made = np.random.default_rng(0).integers(0, 255, (24, 20, 3)).astype(np.uint8), []
    for mode, kind in KINDS:
        for size in ((20, 24), (1, 1), (200, 3)):
            file = io.BytesIO()
            image = Image.fromarray(noise)
            (image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)).resize(size).save(
                file, kind
            )
            made.append((kind.lower(), file.getvalue()))
    return made


@cases(0.3)
def test_pictures(place, pictures, data):
    kind, content = data.draw(st.sampled_from(pictures) | any_picture())
    bands = data.draw(st.sampled_from([None, None, (1, 1, 1), (4, 3, 2)]))
    with folder() as here:
        file = here / data.draw(st.sampled_from(["x", "x.png", "x.jpg", "x.tif", f"x.{kind}"]))
        file.write_bytes(data.draw(st.just(content) | nearly_bytes(content)))
        look = data.draw(
            st.sampled_from(
                [
                    lambda: read_image(file, bands),
                    lambda: scenes.open_scene(str(file), bands).overview(10),
                    lambda: load_image(file, DSVA),
                    lambda: load_image(file, DSVA, 5),
                    lambda: Images([file], CLIPS)[0],
                ]
            )
        )
        with pytest.MonkeyPatch.context() as patch:
            if data.draw(st.booleans()):
                patch.setattr(rasters, "rasterio", None)
                patch.setattr(scenes, "rasterio", None)
            ends_well(look, place=place)


@cases(0.04)
def test_class_folders(place, pictures, data):
    with folder() as here:
        names = st.sampled_from(
            [
                "Port",
                "port",
                "é",
                "a b",
                "two\nlines",
                "_",
                "-",
                "BaseballField",
                "x" * 200,
                ".hidden",
                "0",
                "RSSDIVCS",
                "\udcff",
                "files",
                "cache",
                "train",
                "test",
                *CLASS_NAMES,
            ]
        )
        for name in data.draw(st.lists(names, max_size=4, unique=True)):
            (here / "photos" / name).mkdir(parents=True)
            for number in range(data.draw(st.integers(0, 4))):
                kind, content = data.draw(st.sampled_from(pictures) | any_picture())
                content = data.draw(st.just(content) | nearly_bytes(content))
                (
                    here
                    / "photos"
                    / name
                    / data.draw(
                        st.sampled_from(
                            [
                                f"{number}.png",
                                f"{number}.png",
                                f"é {number}.jpg",
                                "RSSDIVCS/x.png".replace("/", "_"),
                                f"{number}.txt",
                            ]
                        )
                    )
                ).write_bytes(content)
        ends_well(
            run,
            prepare,
            here / "photos",
            "--output",
            here / "out",
            "--unseen",
            1,
            "--workers",
            1,
            *data.draw(st.sampled_from([[], ["--skip_bad"]])),
            place=place,
            output=here / "out",
        )
