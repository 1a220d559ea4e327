"""Pages of unusual runs: windows that join later, epochs that were not tested, images gone, any names."""

import shutil
from collections import Counter

import torch
from page_reader import NASTY, read_confusion, train, write_report

import main
from data.matlab import cell_array
from helpers import read_lines
from pages.run_page import run_page
from runs.records import read_run
from tiny_data import write_dataset


def test_the_clean_epoch_has_tables_and_weights_of_its_own(places, tmp_path, monkeypatch):
    chosen = {"epoch": 1, "calibrated_stacking": 0.25, "score": 50.0, "classes": []}
    monkeypatch.setattr(main, "choose", lambda *_: chosen)
    run = train(places, tmp_path / "run", "--gzsl", "--protocol", "clean")
    page = write_report(run, "--checkpoint", "clean")
    table = page.by_row("Counts")
    assert table == read_confusion(run / "confusion_clean.csv") and len(table) == 12
    assert all("clean epoch (1)" in page.sections[name] for name in ("Classes", "Confusion", "Attention"))
    assert len(page.of("img")) == 3
    (run / "log.jsonl").unlink()
    assert write_report(run).tables["Every epoch and branch"] == page.tables["Every epoch and branch"]


def test_windows_may_join_in_later(places, tmp_path):
    run = train(places, tmp_path / "run", *"--gzsl --sel_res main --pro_start_epoch 1".split())
    lines = read_lines(run / "log.jsonl")
    page = write_report(run)
    last = [row for row in page.tables["Every epoch and branch"][1:] if row[0] == "last epoch (2)"]
    assert {row[1] for row in last} == {"projection+window", "attention", "window"}
    assert "–" not in [cell for row in page.tables["Every epoch and branch"] for cell in row]
    assert "Scores of the projection, then projection+window branch" in page.sections["Training"]
    counting = ["projection", "projection", "projection+window"]
    for row, branch, line in zip(page.tables["Scores by epoch, %"][1:], counting, lines):
        assert f"{line['scores'][branch]['H']:.2f}" in row


def test_epochs_that_were_not_tested_have_losses_and_no_scores(places, tmp_path):
    train(places, tmp_path, *"--nepoch 5 --gzsl --test_every 2".split())
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


def test_images_that_are_gone(clip, tmp_path):
    write_dataset(tmp_path)
    run = train({"root": tmp_path, "clip": clip}, tmp_path / "run", "--nepoch", 1)
    whole = write_report(run)
    shutil.rmtree(tmp_path / "RSSDIVCS" / "Class4")  # a seen class, of which no image is shown
    page = write_report(run)
    assert len(page.of("img")) == len(whole.of("img")) == 3
    shutil.rmtree(tmp_path / "RSSDIVCS" / "Class0")
    page = write_report(run)
    assert "Left out: 1 of 3 images are missing" in page.sections["Attention"]
    assert page.tables["Class attributes"] == whole.tables["Class attributes"]
    assert len(page.tables["Accuracy by class, %"]) == 4


def test_names_can_hold_anything(clip, tmp_path):
    names = [NASTY, *(f"Class{c}" for c in range(1, 12))]
    write_dataset(tmp_path, allclasses_names=cell_array(names))
    page = write_report(train({"root": tmp_path, "clip": clip}, tmp_path / '<i>run&"', "--nepoch", 1))
    assert '<b>&"' not in page.text and "<i>run" not in page.text
    assert (
        NASTY in [row[0] for row in page.tables["Accuracy by class, %"]] and NASTY in page.tables["Counts"][0]
    )
    assert page.of("img")[0]["alt"].startswith(f"image_0.png: {NASTY}, named")
