"""The page of several runs: means and deviations over divisions and seeds, and every run by itself."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from page_reader import train, write_report

import report
from runs.several import find_runs, natural_order

SCORES = ("ZSL", "U", "S", "H", "AUSUC")


@pytest.fixture(scope="module")
def trained(places, tmp_path_factory) -> Path:
    """Two divisions with two seeds each, as main.py trains them one after another."""
    several = ["--gzsl", "--random_id", "0,1", "--seeds", "2"]
    return train(places, tmp_path_factory.mktemp("runs") / "several", *several)


@pytest.fixture
def several(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "several", ignore=shutil.ignore_patterns("report.html")))


def results_of(folder) -> list:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("division-*/results.json"))]


def write_baseline(folder, value):
    folder.mkdir(parents=True)
    scores = dict.fromkeys(SCORES, value)
    content = {"scores": {"names": scores, "attributes": dict.fromkeys(SCORES, value + 1)}}
    (folder / "results.json").write_text(json.dumps(content))


def test_means_and_deviations_are_those_of_the_runs(several):
    page = write_report(several)
    assert list(page.sections) == ["Scores", "Runs", "Training", "Classes", "Settings"]
    results = results_of(several)
    head, *rows = page.tables["Mean and deviation"]
    assert head == ["branch", "epoch", "runs", *SCORES, "how it was chosen"] and len(rows) == 4
    for branch, epoch, runs, *cells, _ in rows:
        assert runs == "4"
        for score, cell in zip(SCORES, cells):
            values = [result[epoch]["scores"][branch][score] for result in results]
            assert cell == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
    summary = json.loads((several / "results.json").read_text())["mean_and_deviation"]
    mean, deviation = summary["last"]["attention"]["H"]
    assert f"<strong>{mean:.1f}<i>&#177; {deviation:.1f} %</i>" in page.text
    assert "divisions 0, 1; seeds" in page.text


def test_every_run_has_its_line_its_dots_and_its_curves(several):
    page = write_report(several)
    head, *rows = page.tables["Every run"]
    assert head == ["run", "state", *SCORES] and [row[1] for row in rows] == ["finished"] * 4
    for row, result in zip(rows, results_of(several)):
        counting = result["last"]["scores"]["attention"]
        assert row[2:] == [f"{counting[score]:.2f}" for score in SCORES]
        assert f"H {counting['H']:.1f}</title>" in page.text
    assert rows[0][0].startswith("division 0, seed ")
    assert len(page.of("svg", "lines")) == 4 and len(page.tables["Every epoch"]) == 1 + 4 * 4
    best = write_report(several, "--checkpoint", "best")
    for row, result in zip(best.tables["Every run"][1:], results_of(several)):
        assert row[5] == f"{result['best']['scores']['attention']['H']:.2f}"


def test_a_run_with_a_page_of_its_own_is_a_link(several, tmp_path):
    assert not [link for link in write_report(several).of("a") if not link["href"].startswith("#")]
    first = sorted(several.glob("division-*"))[0]
    (first / "report.html").write_text("its page")
    links = [link["href"] for link in write_report(several).of("a") if not link["href"].startswith("#")]
    assert links == [f"{first.name}/report.html"]
    other = tmp_path / "pages" / "sum&mary.html"
    report.main([str(several), "--output", str(other)])
    assert f'href="../several/{first.name}/report.html"' in other.read_text()


def test_classes_are_told_by_the_runs_in_which_they_are_unseen_or_seen(several):
    page = write_report(several)
    unseen, seen = {}, {}
    for file in sorted(several.glob("division-*/per_class_last.csv")):
        lines = [line.split(",") for line in file.read_text().splitlines()]
        place = lines[0].index("attention")
        for line in lines[1:]:
            values = unseen if line[1] == "unseen" else seen
            values.setdefault(line[0], []).append(float(line[place]))
    rows = {row[0]: row[1:] for row in page.tables["Accuracy by class, %"][1:]}
    assert rows.keys() == unseen.keys() | seen.keys()
    for name, (runs_unseen, words_unseen, runs_seen, _) in rows.items():
        assert int(runs_unseen) == len(unseen.get(name, ())) and int(runs_seen) == len(seen.get(name, ()))
        if name in unseen:
            assert words_unseen.startswith(f"{np.mean(unseen[name]):.1f}")
    assert {"unseen", "seen"} <= {circle["class"] for circle in page.of("circle")}
    assert "unseen in this run" in page.sections["Classes"]


def test_an_unfinished_run_is_shown_and_does_not_count(several):
    first = sorted(several.glob("division-*"))[0]
    (first / "results.json").unlink()
    lines = (first / "log.jsonl").read_text().splitlines(keepends=True)
    (first / "log.jsonl").write_text("".join(lines[:2]))
    page = write_report(several)
    assert page.tables["Every run"][1][1:] == ["2 of 3 epochs", *["–"] * 5]
    assert page.tables["Mean and deviation"][1][2] == "3" and "3 of them are finished" in page.text
    for file in several.glob("division-*/results.json"):
        file.unlink()
    page = write_report(several)
    assert "No run is finished yet" in page.sections["Scores"] and len(page.of("svg", "lines")) == 4


def test_a_damaged_run_is_left_out_with_its_reason(several):
    first = sorted(several.glob("division-*"))[0]
    (first / "results.json").write_text("{")
    page = write_report(several)
    (name, why) = page.tables["Left out"][1]
    assert name == first.name and "is not readable JSON" in why and len(page.tables["Every run"]) == 4


def test_methods_below_one_folder_are_compared(several, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(several, runs / "dsva" / "tiny")
    shutil.copytree(sorted(several.glob("division-*"))[0], runs / "single")
    for division, value in enumerate((40.0, 50.0)):
        write_baseline(runs / "base & co" / f"division-{division}", value)
    page = write_report(runs)
    rows = {(row[0], row[1]): row for row in page.tables["Mean and deviation"][1:]}
    assert rows["base & co, CLIP by class name", "–"][2:5] == ["2", "45.0 ± 7.1", "45.0 ± 7.1"]
    assert rows["base & co, attributes alone", "–"][3] == "46.0 ± 7.1"
    assert rows["dsva/tiny, attention", "last"][2] == "4"
    assert rows["single, attention", "last"][2] == "1"
    assert {row[1] for row in page.tables["Every run"][1:]} == {"base & co", "dsva/tiny", "single"}
    assert "division 0" in [row[0] for row in page.tables["Every run"][1:]] and "of 3 kinds" in page.text


def test_the_first_number_of_one_kind_of_run_was_not_chosen_on_test_images(several):
    cards = write_report(several).cards()
    assert [card.split()[:3] for card in cards] == [["H,", "last", "epoch"], ["H,", "best", "epoch"]]
    assert cards[0].endswith("no test image chose it: the number to read")


def test_trainings_stand_before_baselines_whatever_they_score(several, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(several, runs / "dsva")
    write_baseline(runs / "a baseline", 99.0)
    page = write_report(runs)
    cards = page.cards()
    assert cards[0].startswith("dsva, attention") and cards[1].startswith("a baseline, ")
    assert "the number to read. Trainings stand before baselines, whatever they score" in cards[0]
    assert "4 trainings and 1 run of baselines" in page.text


def test_trainings_of_the_clean_protocol_stand_before_others(several, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(several, runs / "a paper's")
    shutil.copytree(several, runs / "ours")
    for file in runs.glob("ours/division-*/results.json"):
        results = json.loads(file.read_text())
        file.write_text(json.dumps({**results, "clean": results["last"]}))
    cards = write_report(runs).cards()
    assert cards[0].startswith("ours, ") and "those of the clean protocol before others" in cards[0]
    assert "the number to read" not in "".join(cards)  # they are compared


def test_what_differs_between_runs_is_told_apart(several):
    page = write_report(several)
    assert page.tables["In which the runs differ"][0] == ["run", "manualSeed", "random_id"]
    assert dict(page.tables["What all have in common"][1:])["nepoch"] == "3"


def test_a_baseline_alone_has_a_page(tmp_path):
    write_baseline(tmp_path / "base", 40.0)
    page = write_report(tmp_path / "base")
    assert page.tables["Mean and deviation"][1][:4] == ["CLIP by class name", "–", "1", "40.0"]
    assert "Nothing was trained" in page.sections["Settings"]


def test_runs_are_found_in_their_order_and_not_in_each_other(tmp_path):
    for name in ("division-10", "division-2", "a/b/division-0", ".hidden"):
        (tmp_path / name / "validation").mkdir(parents=True)
        (tmp_path / name / "log.jsonl").write_text("{}\n")
        (tmp_path / name / "validation" / "log.jsonl").write_text("{}\n")
    names = [run.relative_to(tmp_path).as_posix() for run in find_runs(tmp_path)]
    assert names == ["a/b/division-0", "division-2", "division-10"]
    assert natural_order(Path("x2")) < natural_order(Path("x10"))


def test_only_damaged_runs_are_one_line(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log.jsonl").write_text("junk\n")
    with pytest.raises(SystemExit) as stop:
        report.main([str(tmp_path)])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "log.jsonl, line 1, is not JSON" in error and error.count("\n") == 1


def test_an_epoch_that_no_run_has_is_refused(several, capsys):
    with pytest.raises(SystemExit) as stop:
        report.main([str(several), "--checkpoint", "clean"])
    told = f"--checkpoint clean: no finished run in {several} is of main.py --protocol clean"
    assert stop.value.code == 2 and told in capsys.readouterr().err
