"""The page of a run, and of a folder of predictions.

What is on it, and what it does with what is missing or damaged.
"""

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from page_reader import Page, write_report
from PIL import Image

import main as program
import report
from data.matlab import cell_array
from inference.saved import load_saved
from pages.run_page import run_page
from runs.records import EPOCHS, read_run
from tiny_data import write_clip, write_dataset

QUICK = (
    "--nepoch 3 --n_batch 2 --ways 3 --shots 2 --pretrain_epoch 0 --pretrain_lr 1e-2 --classifier_lr 1e-3 "
    "--manualSeed 1 --workers 0 --device cpu --use_group --regular 1e-3"
).split()
SECTIONS = ["Scores", "Training", "Classes", "Confusion", "Attributes", "Attention", "Settings"]
NASTY = '<b>&"x" Ω'


def fails(capsys, folder: Path) -> str:
    """The one line of an error."""
    with pytest.raises(SystemExit) as stop:
        report.main([str(folder), "--device", "cpu"])
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and error.startswith("error: ") and "\n" not in error
    assert "Error(" not in error  # a word of Python's
    assert not (folder / "report.html").exists()
    return error


KINDS = {"clean": ["--gzsl", "--protocol", "clean"], "zsl": []}


@pytest.fixture(scope="module", params=KINDS)
def run(request, root, clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / request.param
    program.main(
        ["--root", str(root), "--clip", str(clip), "--output", str(folder), *QUICK, *KINDS[request.param]]
    )
    return folder


@pytest.fixture(scope="module")
def page(run) -> Page:
    return write_report(run)


@pytest.fixture
def copy(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("report.html")))


# ---- a run -----------------------------------------------------------------------------------------


def test_the_page_is_whole_and_needs_nothing_else(page):
    assert list(page.sections) == SECTIONS and page.of("html")[0]["lang"] == "en" and page.of("title")
    loads = [
        attributes[key] for _, attributes in page.elements for key in ("src", "href") if key in attributes
    ]
    assert loads and all(re.match("data:|#", load) for load in loads)
    assert not re.search(r"url\(|@import|https?://", page.text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) and {link["href"][1:] for link in page.of("a")} <= set(ids)
    assert all(image["alt"] for image in page.of("img")) and all(
        svg["aria-label"] for svg in page.of("svg") if "class" in svg
    )


def test_the_scores_are_those_of_results(run, page):
    results = json.loads((run / "results.json").read_text())
    head, *rows = page.tables["Scores"]
    epochs = [name for name in ("best", "clean", "last") if name in results]
    expected = [
        [f"{name} epoch ({results[name]['epoch']})", branch, *(f"{value:.2f}" for value in values.values())]
        for name in epochs
        for branch, values in results[name]["scores"].items()
    ]
    assert head[2:-1] == list(results["last"]["scores"]["projection"])
    assert [row[:-1] for row in rows] == expected
    for name in epochs:
        counting = results[name]["scores"]["attention"]
        value = counting.get("H", counting.get("accuracy"))
        card = f"{name} epoch ({results[name]['epoch']})</small><strong>{value:.1f}<i>"
        assert card in page.text
    assert f"<strong>{results['chance']:.1f}<i>" in page.text and ">finished<" in page.text


def test_every_epoch_is_named_for_how_it_was_chosen(run, page):
    epochs = json.loads((run / "results.json").read_text()).keys() & EPOCHS.keys()
    assert ("clean" in epochs) == (run.name == "clean")
    for place in (page.text.split("<nav")[0], page.sections["Scores"]):
        assert {name for name, how in EPOCHS.items() if how in place} == epochs


def test_every_epoch_is_marked_in_the_curves(run, page):
    results = json.loads((run / "results.json").read_text())
    charts = len(page.of("svg", "lines"))
    marks = re.findall(r'<text class="mark"[^>]*>([a-z ]+) (\d+)</text>', page.text)
    assert sorted((name, int(epoch)) for names, epoch in marks for name in names.split(" and ")) == sorted(
        (name, results[name]["epoch"]) for name in EPOCHS if name in results for _ in range(charts)
    )


def test_curves_have_every_epoch_and_its_numbers(run, page):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(len(line["points"].split()) == 3 for line in page.of("polyline"))
    shown = {term for term in lines[0]["losses"] if any(line["losses"][term] for line in lines)}
    assert shown == {"xe", "attri", "regular", "l_xe", "l_attri", "cpt"}  # the others weigh nothing
    charts = [svg["aria-label"] for svg in page.of("svg", "lines")]
    assert shown < set(charts) and charts[-len(shown) - 1] == "Loss"
    losses = page.tables["Losses by epoch"]
    assert [row[2] for row in losses[1:]] == [f"{line['loss']:.4g}" for line in lines]


def test_classes_are_sorted_and_coloured(run, page):
    rows = sorted(
        csv.DictReader((run / "per_class_last.csv").open()), key=lambda row: -float(row["attention"])
    )
    bars = [attributes["class"].split()[1] for attributes in page.of("g", "bar")]
    shown = re.findall(
        r'<g class="bar \w+"><title>(.*?), (\w+)\n([\d.]+)% of (\d+) images</title>', page.text
    )
    assert [float(value) for _, _, value, _ in shown] == [round(float(row["attention"]), 1) for row in rows]
    assert {name: (subset, images) for name, subset, _, images in shown} == {
        row["class"]: (row["subset"], row["images"]) for row in rows
    }
    assert bars == [subset for _, subset, _, _ in shown]


def test_confusion_is_the_table_of_the_run(run, page):
    table = {
        row[0]: dict(zip(page.tables["Confusion"][0][1:], row[1:])) for row in page.tables["Confusion"][1:]
    }
    rows = list(csv.DictReader((run / "confusion_last.csv").open()))
    assert table == {
        row["class"]: {name: count for name, count in row.items() if name != "class"} for row in rows
    }
    assert len(re.findall(r"of \d+ images, \d+%</title>", page.text)) == sum(
        count != "0" for row in table.values() for count in row.values()
    )
    often = page.tables["Most frequent mistakes"][1:]
    assert all(table[true][guess] == images and true != guess for true, guess, images, _ in often)


def test_class_attributes_are_those_of_the_dataset(root, run, page):
    data = load_saved(run / "last.safetensors", torch.device("cpu")).data
    head, *rows = page.tables["Class attributes"]
    assert head[1:] == [data.class_names[c] for c in [*data.seen, *data.unseen]] and len(rows) == len(
        data.attribute_names
    )
    assert rows[4][1] == f"{data.class_attributes[4, data.seen[0]]:+.3f}"
    assert "surface properties" in page.text  # the name of a group


def test_panels_are_of_every_unseen_class(run, page, tmp_path):
    assert [image["alt"].split(":")[1].split(",")[0].strip() for image in page.of("img")] == [
        "Class0",
        "Class1",
        "Class2",
    ]
    report.main([str(run), "--device", "cpu", "--per_class", "2", "--output", str(tmp_path / "other.html")])
    assert len(Page(tmp_path / "other.html").of("img")) == 6
    assert all(image["src"].startswith("data:image/jpeg;base64,/9j/") for image in page.of("img"))


def test_settings_can_be_read_and_copied(run, page):
    facts = json.loads((run / "options.json").read_text())
    assert (
        dict(page.tables["Options"][1:])["classifier_lr"] == "0.001"
        and len(page.tables["Options"]) == len(facts["options"]) + 1
    )
    assert (
        facts["command"] in page.sections["Settings"]
        and facts["versions"]["torch"] in page.sections["Settings"]
    )
    assert len(page.of("button", "copy")) == len(page.of("table")) + 1  # and the command


def test_the_other_epoch(copy):
    (copy / "per_class_best.csv").write_text("class,subset,images,attention\nOnly,unseen,7,12.5\n")
    page = write_report(copy, "--checkpoint", "best")
    assert "Only, unseen\n12.5% of 7 images" in page.text and "best epoch" in page.sections["Classes"]


def test_the_clean_epoch_has_tables_and_weights_of_its_own(root, clip, tmp_path, monkeypatch):
    chosen = {"epoch": 1, "calibrated_stacking": 0.25, "score": 50.0, "classes": []}
    monkeypatch.setattr(program, "choose", lambda *_: chosen)
    program.main(
        ["--root", str(root), "--clip", str(clip), "--output", str(tmp_path / "run"), *QUICK, *KINDS["clean"]]
    )
    page = write_report(tmp_path / "run", "--checkpoint", "clean")
    table = {
        row[0]: dict(zip(page.tables["Confusion"][0][1:], row[1:])) for row in page.tables["Confusion"][1:]
    }
    rows = list(csv.DictReader((tmp_path / "run" / "confusion_clean.csv").open()))
    assert (
        table
        == {row["class"]: {name: count for name, count in row.items() if name != "class"} for row in rows}
        and len(table) == 12
    )
    assert (
        all("clean epoch (1)" in page.sections[name] for name in ("Classes", "Confusion", "Attention"))
        and len(page.of("img")) == 3
    )
    (tmp_path / "run" / "log.jsonl").unlink()
    assert write_report(tmp_path / "run").tables["Scores"] == page.tables["Scores"]


def test_a_run_without_a_clean_epoch_has_none_to_show(copy, capsys):
    results = json.loads((copy / "results.json").read_text())
    (copy / "results.json").write_text(
        json.dumps({key: value for key, value in results.items() if key != "clean"})
    )
    with pytest.raises(SystemExit) as stop:
        report.main([str(copy), "--device", "cpu", "--checkpoint", "clean"])
    assert (
        stop.value.code == 2 and "is no finished run of main.py --protocol clean" in capsys.readouterr().err
    )


def test_windows_may_join_in_later(root, clip, tmp_path):
    places = ["--root", str(root), "--clip", str(clip), "--output", str(tmp_path / "run")]
    program.main([*places, *QUICK, "--gzsl", "--sel_res", "main", "--pro_start_epoch", "1"])
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    page = write_report(tmp_path / "run")
    last = [row for row in page.tables["Scores"][1:] if row[0] == "last epoch (2)"]
    assert {row[1] for row in last} == {"projection+window", "attention", "window"}
    assert "–" not in [cell for row in page.tables["Scores"] for cell in row]
    assert "Scores of the projection, then projection+window branch" in page.sections["Training"]
    counting = ["projection", "projection", "projection+window"]
    for row, branch, line in zip(page.tables["Scores by epoch, %"][1:], counting, lines):
        assert f"{line['scores'][branch]['H']:.2f}" in row


def test_a_run_of_before_has_the_same_page(copy, page):
    """The projection branch was called final."""
    for file in copy.iterdir():
        if file.suffix in (".jsonl", ".json", ".csv"):
            file.write_text(file.read_text().replace("projection", "final"))
    assert '"final"' in (copy / "log.jsonl").read_text()
    assert "final" in (copy / "per_class_last.csv").read_text()
    of_before = write_report(copy)
    assert {**of_before.tables, "Circumstances": 0} == {**page.tables, "Circumstances": 0}


# ---- what is missing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file, section",
    [
        ("log.jsonl", "Training"),
        ("per_class_last.csv", "Classes"),
        ("confusion_last.csv", "Confusion"),
        ("last.safetensors", "Attention"),
        ("last.safetensors", "Attributes"),
    ],
)
def test_what_is_missing_is_left_out_with_a_line(copy, page, file, section):
    (copy / file).unlink()
    without = write_report(copy)
    assert (
        list(without.sections) == SECTIONS
        and without.sections[section].strip().startswith("Left out: ")
        and file in without.sections[section]
    )
    assert (
        without.tables["Scores"] == page.tables["Scores"]
        and without.tables["Options"] == page.tables["Options"]
    )


def test_results_are_enough(copy, page, tmp_path):
    shutil.copy(copy / "results.json", tmp_path)
    assert write_report(tmp_path).tables["Scores"] == page.tables["Scores"]


@pytest.mark.parametrize("torn", ["", '{"epoch": 2, "half a li'])
def test_a_run_that_is_not_finished(copy, torn):
    lines = (copy / "log.jsonl").read_text().splitlines(keepends=True)
    (copy / "log.jsonl").write_text("".join(lines[:2]) + torn)
    (copy / "results.json").unlink()
    page = write_report(copy)
    assert "unfinished, 2 of 3 epochs" in page.text and len(page.tables["Losses by epoch"]) == 3
    assert "Chance" not in page.text


def test_epochs_that_were_not_tested_have_losses_and_no_scores(root, clip, tmp_path):
    words = f"--nepoch 5 --gzsl --test_every 2 --output {tmp_path} --root {root} --clip {clip}"
    program.main([*QUICK, *words.split()])
    record = read_run(tmp_path)
    assert [line["epoch"] for line in record.log] == [0, 1, 2, 3, 4]
    assert [line["epoch"] for line in record.tested] == [1, 3, 4]
    assert record.finished
    page = write_report(tmp_path)
    rows = page.tables["Scores by epoch, %"][1:]
    assert [int(row[0]) for row in rows if row[2] == rows[0][2]] == [0, 2]
    lengths = Counter(len(line["points"].split()) for line in page.of("polyline"))
    assert lengths.keys() == {3, 5}  # of scores and of losses
    (tmp_path / "results.json").unlink()
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join(lines[:3]))
    page = write_report(tmp_path)
    assert "unfinished, 3 of 5 epochs" in page.text and "last epoch (1)" in page.text
    shown = run_page(tmp_path, "last", torch.device("cpu"), 1, 1)
    assert "Test images of unseen classes: last epoch (2)" in shown  # as last.safetensors is


def test_a_run_of_which_no_epoch_was_tested_yet(copy, capsys):
    lines = (copy / "log.jsonl").read_text().splitlines()
    (copy / "log.jsonl").write_text(json.dumps({**json.loads(lines[0]), "scores": {}}) + "\n")
    (copy / "results.json").unlink()
    (copy / "report.html").unlink(missing_ok=True)
    assert fails(capsys, copy) == f"error: {copy}: no epoch was tested yet, there is nothing to report"


def test_epochs_that_are_one_have_one_mark(copy):
    (copy / "log.jsonl").write_text((copy / "log.jsonl").read_text().splitlines(keepends=True)[0])
    (copy / "results.json").unlink()
    assert set(re.findall(r'<text class="mark"[^>]*>(.*?)</text>', write_report(copy).text)) == {
        "best and last 0"
    }


def test_images_that_are_gone(tmp_path):
    write_dataset(tmp_path)
    program.main(
        [
            "--root",
            str(tmp_path),
            "--clip",
            str(write_clip(tmp_path / "clip")),
            "--output",
            str(tmp_path / "run"),
            *QUICK,
            "--nepoch",
            "1",
        ]
    )
    whole = write_report(tmp_path / "run")
    shutil.rmtree(tmp_path / "RSSDIVCS" / "Class4")  # a seen class, of which no image is shown
    page = write_report(tmp_path / "run")
    assert len(page.of("img")) == len(whole.of("img")) == 3
    shutil.rmtree(tmp_path / "RSSDIVCS" / "Class0")
    page = write_report(tmp_path / "run")
    assert "Left out: 1 of 3 images are missing" in page.sections["Attention"]
    assert page.tables["Class attributes"] == whole.tables["Class attributes"]
    assert len(page.tables["Accuracy by class, %"]) == 4


def test_names_can_hold_anything(tmp_path):
    names = [NASTY, *(f"Class{c}" for c in range(1, 12))]
    write_dataset(tmp_path, allclasses_names=cell_array(names))
    folder = tmp_path / '<i>run&"'
    program.main(
        [
            "--root",
            str(tmp_path),
            "--clip",
            str(write_clip(tmp_path / "clip")),
            "--output",
            str(folder),
            *QUICK,
            "--nepoch",
            "1",
        ]
    )
    page = write_report(folder)
    assert '<b>&"' not in page.text and "<i>run" not in page.text
    assert (
        NASTY in [row[0] for row in page.tables["Accuracy by class, %"]]
        and NASTY in page.tables["Confusion"][0]
    )
    assert page.of("img")[0]["alt"].startswith(f"image_0.png: {NASTY}, named")


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("log.jsonl", "", "log.jsonl is empty"),
        ("log.jsonl", "junk\n{}\n", "log.jsonl, line 1, is not JSON"),
        ("log.jsonl", '{"epoch": 0}\n', "does not hold what main.py writes .'scores' is missing"),
        ("log.jsonl", "3\n", "does not hold what main.py writes"),
        ("results.json", "{", "results.json is not readable JSON"),
        ("results.json", "[1]", "does not hold what main.py writes"),
        ("options.json", '{"options": 3}', "options.json: expected"),
        ("options.json", "{}", "does not hold what main.py writes .'options' is missing"),
        (
            "per_class_last.csv",
            "class,subset,images,attention\nA,seen,3\n",
            "per_class_last.csv is no table of main.py",
        ),
        ("per_class_last.csv", "class,subset,images,attention\nA,neither,3,50\n", "seen or unseen"),
        ("per_class_best.csv", "class,subset,images,final\nA,seen,3,50\n", "images and attention"),
        ("confusion_last.csv", "class,A,B\nA,1,x\nB,0,1\n", "confusion_last.csv is no table of main.py"),
        ("confusion_last.csv", "class,A,B\nA,1,0\n", "one for each of the classes"),
        ("confusion_last.csv", "\0", "confusion_last.csv is no table of main.py"),
    ],
)
def test_a_damaged_file_is_one_line(copy, capsys, file, content, message):
    (copy / file).write_text(content)
    if file == "options.json" and content == "{}":
        (copy / "results.json").unlink()
    assert re.search(message, fails(capsys, copy))


def test_a_device_that_is_not_there(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        report.main([str(run), "--device", "gpu", "--output", str(tmp_path / "page.html")])
    assert (
        stop.value.code == 2
        and "--device gpu cannot be used" in capsys.readouterr().err
        and not (tmp_path / "page.html").exists()
    )


def test_a_folder_of_neither_kind(tmp_path, capsys):
    assert "is no run, no prediction and no map" in fails(capsys, tmp_path)
    (tmp_path / "results.json").write_text('{"scores": {}}')
    assert "is not what main.py or zero_shot_clip.py writes" in fails(capsys, tmp_path)


# ---- predictions -----------------------------------------------------------------------------------


@pytest.fixture
def predictions(root, tmp_path) -> Path:
    """Six images named, one of them gone since; one that could not be read."""
    folder, images = tmp_path / "predictions", sorted((root / "RSSDIVCS").glob("Class[0-4]/image_*0.png"))[:3]
    images += sorted((root / "RSSDIVCS").glob("Class5/*.png"))[:2] + [tmp_path / f"gone {NASTY}.png"]
    guesses = ["harbour", "lake", "harbour", NASTY, "lake", "lake"]
    lines = [
        {
            "image": str(image),
            "classes": [
                {"class": name, "probability": 0.5 + 0.05 * n},
                {"class": "pier", "probability": 0.04},
            ],
            "attributes": [
                {"attribute": "water", "contribution": 0.41},
                {"attribute": NASTY, "contribution": 0.1},
            ],
        }
        for n, (image, name) in enumerate(zip(images, guesses))
    ]
    lines.insert(2, {"image": "/somewhere/broken.png", "error": f"cannot read {NASTY}"})
    folder.mkdir()
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "options.json").write_text(
        json.dumps(
            {
                "options": {"top": 2},
                "command": "predict.py here",
                "classes": {"harbour": "seen", "lake": "unseen"},
            }
        )
    )
    return folder


def test_every_image_is_in_the_gallery(predictions):
    page = write_report(predictions)
    assert list(page.sections) == ["Pictures", "Classes", "Table", "Unreadable", "Settings"]
    chips = {
        button["value"]: name
        for button, name in zip(
            page.of("button")[:4], re.findall(r'aria-pressed="\w+">(.*?) <span>', page.text)
        )
    }
    places = [li["data-class"] for li in page.of("li") if "data-class" in li]
    assert [chips[place] for place in places] == [
        "harbour",
        "lake",
        "harbour",
        "&lt;b&gt;&amp;&quot;x&quot; &#937;",
        "lake",
        "lake",
    ]
    assert re.findall(r"<span>(\d+)</span></button>", page.text) == ["6", "3", "2", "1"]
    assert len(page.of("img")) == 5 and "the picture is not there any more" in page.sections["Pictures"]
    assert all(image["src"].startswith("data:image/jpeg") and image["alt"] for image in page.of("img"))
    assert "water +41%" in page.sections["Pictures"] and "pier 4%" in page.sections["Pictures"]


def test_attributes_of_an_earlier_version_are_not_told_as_reasons(predictions):
    words = write_report(predictions).sections["Pictures"]
    assert "They do not tell why the class was given: predict anew." in words
    assert "add most" not in words


def test_contributions_are_told_with_what_they_sum_to(predictions):
    file = predictions / "predictions.jsonl"
    lines = []
    for text in file.read_text().splitlines():
        line = json.loads(text)
        if "classes" in line:
            line["attributes"] = [
                {"attribute": "water", "score": 1.2, "contribution": 1.31},
                {"attribute": NASTY, "score": -0.5, "contribution": 0.62},
                {"attribute": "snow", "score": -0.5, "contribution": -0.1},
            ]
            line.update(rest=2.37, logit_difference=4.2)
        lines.append(json.dumps(line) + "\n")
    file.write_text("".join(lines))
    words = write_report(predictions).sections["Pictures"]
    assert "the attributes that add most to it" in words and "earlier version" not in words
    assert re.search("water \\+1.3, less .* \\+0.6 of 4.2", words) and "snow" not in words


def test_predictions_as_tables(predictions):
    page = write_report(predictions)
    assert page.tables["Predictions"][0] == ["image", "class 1", "probability 1", "class 2", "probability 2"]
    assert (
        page.tables["Predictions"][2][1:] == ["lake", "0.5500", "pier", "0.0400"]
        and len(page.tables["Predictions"]) == 7
    )
    assert page.tables["Images that could not be read"][1] == [
        "/somewhere/broken.png",
        f"cannot read {NASTY}",
    ]
    assert page.tables["Options"][1] == ["top", "2"] and '<b>&"' not in page.text


def test_classes_have_the_colour_of_their_kind(predictions):
    page = write_report(predictions)
    assert [bar["class"] for bar in page.of("g", "bar")] == ["bar unseen", "bar seen", "bar chosen"]
    assert [h3["class"] for h3 in page.of("h3") if "class" in h3] == [
        "seen",
        "unseen",
        "seen",
        "chosen",
        "unseen",
        "unseen",
    ]


def test_a_gallery_of_many_shows_some_and_says_so(predictions):
    page = write_report(predictions, "--images", 2)
    assert "2 of 6 images are shown" in page.sections["Pictures"] and len(page.tables["Predictions"]) == 3
    assert [image["data-class"] for image in page.of("li") if "data-class" in image] == [
        "0",
        "1",
    ]  # the first and the last


def test_predictions_without_options_or_readable_images(predictions):
    (predictions / "options.json").unlink()
    (predictions / "predictions.jsonl").write_text('{"image": "a.png", "error": "no"}\n')
    page = write_report(predictions)
    assert (
        list(page.sections) == ["Unreadable", "Settings"] and "no options.json" in page.sections["Settings"]
    )


def test_a_file_may_have_any_bytes_for_a_name(predictions):
    (predictions / "predictions.jsonl").write_text(
        json.dumps(
            {"image": "/x/\udcff.png", "classes": [{"class": "lake", "probability": 1.0}], "attributes": []}
        )
        + "\n"
    )
    assert "56575" in write_report(predictions).text


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "predictions.jsonl is empty"),
        ("junk\n", "line 1, is not JSON"),
        ("[]\n", "line 1, is not what predict.py writes"),
        ('{"image": "a.png"}\n', "neither classes nor an error"),
        ('{"classes": [{"class": "a", "probability": 1}]}\n', "'image' is missing"),
        ('{"image": "a.png", "classes": [{"class": "a", "probability": "much"}]}\n', "line 1, is not what"),
    ],
)
def test_a_damaged_prediction_is_one_line(predictions, capsys, line, message):
    (predictions / "predictions.jsonl").write_text(line)
    assert message in fails(capsys, predictions)


@pytest.mark.parametrize("size", [(1200, 40), (30, 20)])
def test_thumbnails_keep_their_shape(predictions, tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "one.png")
    (predictions / "predictions.jsonl").write_text(
        json.dumps({"image": str(tmp_path / "one.png"), "classes": [{"class": "a", "probability": 1.0}]})
        + "\n"
    )
    image = write_report(predictions).of("img")[0]
    assert max(int(image["width"]), int(image["height"])) == min(176, max(size))
