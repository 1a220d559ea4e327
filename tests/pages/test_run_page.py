"""The page of a run: what is on it, and what it does with what is missing or damaged."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from page_reader import Page, no_report, read_confusion, train, write_report

import report
from helpers import read_lines, refusal, start
from inference.saved import load_saved
from runs.records import EPOCHS

SECTIONS = ["Scores", "Training", "Classes", "Confusion", "Attributes", "Attention", "Settings"]
KINDS = {"clean": ["--gzsl", "--protocol", "clean"], "zsl": []}


@pytest.fixture(scope="module", params=KINDS)
def run(request, places, tmp_path_factory) -> Path:
    return train(places, tmp_path_factory.mktemp("runs") / request.param, *KINDS[request.param])


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
    head, *rows = page.tables["Every epoch and branch"]
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


def test_the_first_number_is_one_that_no_test_image_chose(run, page):
    first, *others = page.cards()
    epoch = "clean" if run.name == "clean" else "last"
    assert f"{epoch} epoch" in first and first.endswith("no test image chose it: the number to read")
    assert not any("the number to read" in words for words in others)
    names = [re.search(r"(\w+) epoch", words)[1] for words in page.cards() if " epoch" in words]
    assert names == [name for name in ("clean", "last", "best") if name in names]


def test_every_epoch_is_marked_in_the_curves(run, page):
    results = json.loads((run / "results.json").read_text())
    charts = len(page.of("svg", "lines"))
    marks = re.findall(r'<text class="mark"[^>]*>([a-z ]+) (\d+)</text>', page.text)
    assert sorted((name, int(epoch)) for names, epoch in marks for name in names.split(" and ")) == sorted(
        (name, results[name]["epoch"]) for name in EPOCHS if name in results for _ in range(charts)
    )


def test_curves_have_every_epoch_and_its_numbers(run, page):
    lines = read_lines(run / "log.jsonl")
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
    table = page.by_row("Counts")
    assert table == read_confusion(run / "confusion_last.csv")
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


def test_a_run_without_a_clean_epoch_has_none_to_show(copy, capsys):
    results = json.loads((copy / "results.json").read_text())
    results.pop("clean", None)
    (copy / "results.json").write_text(json.dumps(results))
    words = ["--device", "cpu", "--checkpoint", "clean"]
    said = refusal(capsys, start, report, copy, *words)
    assert "is no finished run of main.py --protocol clean" in said


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
        without.tables["Every epoch and branch"] == page.tables["Every epoch and branch"]
        and without.tables["Options"] == page.tables["Options"]
    )


def test_results_are_enough(copy, page, tmp_path):
    shutil.copy(copy / "results.json", tmp_path)
    assert write_report(tmp_path).tables["Every epoch and branch"] == page.tables["Every epoch and branch"]


@pytest.mark.parametrize("torn", ["", '{"epoch": 2, "half a li'])
def test_a_run_that_is_not_finished(copy, torn):
    lines = (copy / "log.jsonl").read_text().splitlines(keepends=True)
    (copy / "log.jsonl").write_text("".join(lines[:2]) + torn)
    (copy / "results.json").unlink()
    page = write_report(copy)
    assert "unfinished, 2 of 3 epochs" in page.text and len(page.tables["Losses by epoch"]) == 3
    assert "Chance" not in page.text


def test_a_run_of_which_no_epoch_was_tested_yet(copy, capsys):
    lines = (copy / "log.jsonl").read_text().splitlines()
    (copy / "log.jsonl").write_text(json.dumps({**json.loads(lines[0]), "scores": {}}) + "\n")
    (copy / "results.json").unlink()
    (copy / "report.html").unlink(missing_ok=True)
    assert no_report(capsys, copy) == f"error: {copy}: no epoch was tested yet, there is nothing to report"


def test_epochs_that_are_one_have_one_mark(copy):
    (copy / "log.jsonl").write_text((copy / "log.jsonl").read_text().splitlines(keepends=True)[0])
    (copy / "results.json").unlink()
    assert set(re.findall(r'<text class="mark"[^>]*>(.*?)</text>', write_report(copy).text)) == {
        "best and last 0"
    }


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
    assert re.search(message, no_report(capsys, copy))


def test_a_device_that_is_not_there(run, tmp_path, capsys):
    said = refusal(capsys, start, report, run, "--device", "gpu", "--output", tmp_path / "page.html")
    assert "--device gpu cannot be used" in said and not (tmp_path / "page.html").exists()


def test_a_folder_of_neither_kind(tmp_path, capsys):
    assert "is no run, no prediction and no map" in no_report(capsys, tmp_path)
    (tmp_path / "results.json").write_text('{"scores": {}}')
    assert "is not what main.py or zero_shot_clip.py writes" in no_report(capsys, tmp_path)
