"""Tables over runs, from logs written here by hand: each number can be told by looking."""

import json

import pytest

import tables
from runs.records import EPOCHS


def scores(zsl, h, projection="projection"):
    values = {"U": 1.0, "S": 2.0, "H": h, "AUSUC": 3.0, "ZSL": zsl}
    return {projection: values, "attention": values}


def write_log(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_run(folder, log, trial=None, projection="projection", sel_res="layer", best=0):
    """A run of GZSL.  log, trial: ZSL and H of each epoch, of the run and of its validation"""
    lines = [{"epoch": epoch, "scores": scores(*pair, projection)} for epoch, pair in enumerate(log)]
    results = {"branch": "attention", "best": lines[best], "last": lines[-1], "options": {"sel_res": sel_res}}
    write_log(folder, lines)
    if trial:
        tried = [{"epoch": epoch, "scores": scores(*pair, projection)} for epoch, pair in enumerate(trial)]
        write_log(folder / "validation", tried)
        results["clean"] = lines[0]
    (folder / "results.json").write_text(json.dumps(results))


def write_zsl_run(folder, accuracies):
    lines = []
    for epoch, value in enumerate(accuracies):
        lines.append({"epoch": epoch, "scores": {"attention": {"accuracy": value}}})
    write_log(folder, lines)
    results = {"best": lines[0], "last": lines[-1], "options": {"sel_res": "layer"}}
    (folder / "results.json").write_text(json.dumps(results))


def rows(printed):
    """{row: cells} of one Markdown table, without its caption."""
    return {
        line.split(" | ")[0].strip("| "): [cell.strip(" |") for cell in line.split(" | ")[1:]]
        for line in printed.strip().splitlines()
        if line.startswith("|")
    }


def test_all_scores_of_a_row_are_of_the_epoch_that_main_reports(tmp_path, capsys):
    """ZSL has its best epoch elsewhere than H, in the run and in its validation: neither counts."""
    write_run(tmp_path / "a", log=[(10, 1), (30, 2), (20, 9)], trial=[(5, 8), (4, 1), (6, 2)], best=2)
    tables.main(["--column", "one", str(tmp_path / "a"), "--kinds", "attention"])
    printed = capsys.readouterr().out
    table = rows(printed)
    assert table["DSVA attention, paper protocol"] == ["20.0", "9.0"]
    assert table["DSVA attention, clean protocol"] == ["10.0", "1.0"]
    assert table["DSVA attention, last epoch"] == ["20.0", "9.0"]
    assert "All scores of a row are of one epoch, as main.py reports it" in printed.splitlines()[0]
    for how in EPOCHS.values():
        assert how in printed.splitlines()[0]


def test_results_are_enough_without_logs(tmp_path, capsys):
    write_run(tmp_path / "a", log=[(10, 1), (30, 2)], trial=[(5, 8), (4, 1)])
    tables.main(["--row", "x", str(tmp_path / "a")])
    before = capsys.readouterr().out
    for file in tmp_path.rglob("log.jsonl"):
        file.unlink()
    tables.main(["--row", "x", str(tmp_path / "a")])
    assert capsys.readouterr().out == before


def test_runs_in_one_file_of_results_count_each(tmp_path, capsys):
    write_run(tmp_path / "a", [(10, 1)])
    write_run(tmp_path / "b", [(20, 3)])
    runs = {name: json.loads((tmp_path / name / "results.json").read_text()) for name in "ab"}
    (tmp_path / "results.json").write_text(json.dumps({"runs": runs}))
    tables.main(["--row", "x", str(tmp_path), "--kinds", "attention, last"])
    printed = capsys.readouterr().out
    assert rows(printed)["x"] == ["15.0 ± 7.1", "2.0 ± 1.4"] and "Runs in a mean: 2 of x." in printed


def test_a_caption_says_what_no_heading_tells(tmp_path, capsys):
    write_run(tmp_path / "a", [(10, 1)])
    (tmp_path / "base").mkdir()
    baseline = {"scores": {"names": {"accuracy": 40.0}, "attributes": {"accuracy": 50.0}}}
    (tmp_path / "base" / "results.json").write_text(json.dumps(baseline))
    folders = [str(tmp_path / "a"), str(tmp_path / "base")]
    tables.main(["--row", "x", *folders, "--kinds", "attention, last"])
    assert capsys.readouterr().out.startswith("DSVA attention, last epoch. Mean and standard deviation")
    tables.main(["--column", "x", *folders, "--kinds", "CLIP"])
    assert "epoch" not in capsys.readouterr().out  # nothing is trained


def test_a_title_that_is_given_twice_is_refused(tmp_path, capsys):
    write_run(tmp_path / "a", [(10, 1)])
    with pytest.raises(SystemExit) as stop:
        tables.main(["--row", "x", str(tmp_path / "a"), "--row", "x", str(tmp_path / "a")])
    assert stop.value.code == 2 and "'x' is given twice" in capsys.readouterr().err


def test_mean_and_deviation_over_folders_divisions_and_seeds(tmp_path, capsys):
    write_run(tmp_path / "a" / "division-0_seed-1", [(10, 1)])
    write_run(tmp_path / "a" / "division-1_seed-1", [(20, 3)])
    (tmp_path / "a" / "division-2_seed-1").mkdir()  # not finished: does not count
    tables.main(
        [
            "--row",
            "both",
            str(tmp_path / "a"),
            "--row",
            "one",
            str(tmp_path / "a" / "division-1*"),
            "--kinds",
            "attention, last",
        ]
    )
    table = rows(capsys.readouterr().out)
    assert table["both"] == ["15.0 ± 7.1", "2.0 ± 1.4"] and table["one"] == ["20.0", "3.0"]


def test_baselines_stand_first_and_have_no_epoch(tmp_path, capsys):
    write_run(tmp_path / "run", [(10, 1)])
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "results.json").write_text(
        json.dumps({"scores": {"names": {"accuracy": 40.0}, "attributes": {"accuracy": 50.0}}})
    )
    tables.main(["--column", "25/5", str(tmp_path / "run"), str(tmp_path / "base")])
    names = list(rows(capsys.readouterr().out))
    assert names[2:] == [
        "CLIP by class name",
        "attributes alone",
        "DSVA attention, paper protocol",
        "DSVA projection, paper protocol",
        "DSVA attention, last epoch",
        "DSVA projection, last epoch",
    ]


def test_the_papers_tables_are_filled_with_what_was_run(tmp_path, capsys):
    write_zsl_run(tmp_path / "03_zsl_60_10", [70.0, 60.0])
    write_zsl_run(tmp_path / "03_zsl_60_10-2", [80.0, 62.0])
    write_zsl_run(tmp_path / "03_zsl_60_10_other", [1.0])  # another name: not this experiment
    write_run(tmp_path / "11_gzsl_40_30", [(10, 5)])
    tables.main(["--runs", str(tmp_path)])
    printed = capsys.readouterr().out
    zsl, gzsl = [part for part in printed.strip().split("\n\n") if part.startswith("|")]
    assert printed.count("All scores of a row are of one epoch") == 2
    assert (
        rows(zsl)["paper"] == ["84.0", "64.2", "60.2"]
        and rows(gzsl)["authors' rerun"][2] == "43.8 / 57.8 / 49.8"
    )
    assert (
        rows(zsl)["ours, paper protocol"] == ["75.0 ± 7.1", "", ""]
        and rows(zsl)["ours, last epoch"][0] == "61.0 ± 1.4"
    )
    assert rows(zsl)["ours, clean protocol"] == ["", "", ""]
    assert rows(gzsl)["ours, last epoch"] == ["", "", "1.0 / 2.0 / 5.0"]


def test_formats(tmp_path, capsys):
    write_run(tmp_path / "a", [(10, 1)])
    write_run(tmp_path / "b", [(20, 1)])
    words = [
        "--column",
        "x",
        str(tmp_path / "[ab]"),
        "--kinds",
        "attention, last",
        "--scores",
        "ZSL",
        "--format",
    ]
    tables.main([*words, "csv"])
    printed = capsys.readouterr()
    assert printed.out == 'x,ZSL\n"DSVA attention, last epoch",15.0 ± 7.1\n'
    assert printed.err.startswith(
        "Mean and standard deviation over runs, in percent. Runs in a mean: 2 of x."
    )
    tables.main([*words, "latex"])
    printed = capsys.readouterr().out
    assert r"DSVA attention, last epoch & 15.0 $\pm$ 7.1 \\" in printed
    assert r"\caption{Mean and standard deviation over runs, in percent." in printed
    tables.main([*words, "text"])
    assert capsys.readouterr().out.splitlines()[1] == "DSVA attention, last epoch  15.0 ± 7.1"


def test_a_table_is_printed_and_written_as_the_file_ends(tmp_path, capsys):
    write_run(tmp_path / "a", [(10, 1)])
    words = ["--column", "x", str(tmp_path / "a"), "--format", "text"]
    for ending, begin in ((".md", "| x | ZSL | H |"), (".tex", r"\begin{table}"), (".csv", "x,ZSL,H")):
        tables.main([*words, "--output", str(tmp_path / f"table{ending}")])
        assert capsys.readouterr().out.split()[:3] == ["x", "ZSL", "H"]
        assert begin in (tmp_path / f"table{ending}").read_text().splitlines()
    with pytest.raises(SystemExit):
        tables.main([*words, "--output", str(tmp_path / "table.doc")])
    told = "expected a file that ends with .md, .tex, .csv, .txt"
    assert told in capsys.readouterr().err and not (tmp_path / "table.doc").exists()


def test_runs_of_before_whose_projection_was_called_final(tmp_path, capsys):
    for name, projection in (("before", "final"), ("now", "projection")):
        write_run(tmp_path / name, [(10, 1), (30, 2)], [(5, 8), (6, 2)], projection, sel_res="main")
        tables.main(["--column", "x", str(tmp_path / name)])
    printed = capsys.readouterr().out
    half = len(printed) // 2
    assert printed[:half] == printed[half:] and "DSVA projection, clean protocol" in printed


def test_the_projection_with_windows_is_another_kind_than_without(tmp_path, capsys):
    values = {"U": 1.0, "S": 2.0, "AUSUC": 3.0}
    lines = [
        {"epoch": 0, "scores": {"projection": {**values, "ZSL": 70.0, "H": 10.0}}},
        {"epoch": 1, "scores": {"projection+window": {**values, "ZSL": 60.0, "H": 20.0}}},
    ]
    folder = tmp_path / "11_gzsl_40_30"
    write_log(folder, lines)
    results = {"best": lines[0], "last": lines[1], "options": {"sel_res": "main"}}
    (folder / "results.json").write_text(json.dumps(results))
    tables.main(["--column", "x", str(folder)])
    table = rows(capsys.readouterr().out)
    assert table["DSVA projection, paper protocol"] == ["70.0", "10.0"]
    assert table["DSVA projection+window, last epoch"] == ["60.0", "20.0"]
    tables.main(["--runs", str(tmp_path)])
    gzsl = capsys.readouterr().out.split("\n\n")[3]
    assert rows(gzsl)["ours, paper protocol"][2] == "1.0 / 2.0 / 10.0"
    assert rows(gzsl)["ours, last epoch"][2] == "1.0 / 2.0 / 20.0"


@pytest.mark.parametrize("projection", ["projection", "final", "projection+window"])
def test_the_table_of_the_quickstart(tmp_path, capsys, projection):
    values = {"accuracy": 40.0, "U": 1.0, "S": 2.0, "H": 3.0, "AUSUC": 4.0}
    baseline = {"scores": {"names": values, "attributes": {**values, "H": 5.0}}}
    trained = {projection: {**values, "ZSL": 70.0}, "attention": {**values, "ZSL": 80.0, "U": 90.0}}
    training = {"chance": 100 / 6, "last": {"scores": trained}}
    for name in ("baseline_zsl", "baseline_gzsl", "zsl", "gzsl", "words"):
        (tmp_path / name).mkdir()
        content = baseline if name.startswith("baseline") else training
        (tmp_path / name / "results.json").write_text(json.dumps(content))
    tables.main(["--quickstart", str(tmp_path)])
    table, caption = capsys.readouterr().out.split("\n\n")
    branch = "projection+window" if projection == "projection+window" else "projection"
    assert [line.split() for line in table.replace(", ", ",_").splitlines()] == [
        "accuracy in % ZSL GZSL U S H AUSUC".split(),
        "chance 16.7".split(),
        "CLIP by class name 40.0 1.0 2.0 3.0 4.0".split(),
        "attributes alone 40.0 1.0 2.0 5.0 4.0".split(),
        f"DSVA,_{branch} 40.0 1.0 2.0 3.0 4.0".split(),
        "DSVA,_attention 40.0 90.0 2.0 3.0 4.0".split(),
        f"our recipe,_{branch} 70.0 1.0 2.0 3.0 4.0".split(),
        "our recipe,_attention 80.0 90.0 2.0 3.0 4.0".split(),
    ]
    assert len({len(line) for line in table.splitlines() if "chance" not in line}) == 1  # aligned
    assert "the last epoch counts, which no test image helped to choose" in caption
    tables.main(["--quickstart", str(tmp_path), "--format", "markdown"])
    assert rows(capsys.readouterr().out)["DSVA, attention"] == ["40.0", "90.0", "2.0", "3.0", "4.0"]


def test_a_folder_that_is_no_quickstart_is_refused(tmp_path, capsys):
    for name in ("baseline_zsl", "baseline_gzsl", "zsl", "gzsl", "words"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        tables.main(["--quickstart", str(tmp_path)])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "does not hold what script/quickstart.sh writes" in error


@pytest.mark.parametrize(
    "words, told",
    [
        (["--column", "x"], "x: expected a title and folders"),
        (["--column", "x", "/nowhere/*"], "/nowhere/*"),
        (["--column", "x", "a", "--row", "y", "b"], "different tables"),
        (["--quickstart", "q", "--row", "y", "b"], "different tables"),
        (["--format", "word"], "--format"),
    ],
)
def test_wrong_use_is_told_in_a_line(words, told, capsys):
    with pytest.raises(SystemExit) as stop:
        tables.main(words)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and told in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        '{"last": {}}',
        "[]",
        "{}",
        '{"scores": {}}',
        '{"scores": {"names": 3}}',
        '{"scores": {"other": {"ZSL": 3}}}',
        '{"last": {"scores": {"attention": {"ZSL": "3"}}}, "options": {"sel_res": "layer"}}',
        '{"last": {"scores": {"window": {"ZSL": 3}}}, "options": {"sel_res": "layer"}}',
        '{"last": {"scores": {"attention": {"ZSL": 3}}}, "options": {"sel_res": "other"}}',
        '{"runs": {"a": 3}}',
    ],
)
def test_a_folder_that_holds_something_else_is_refused(tmp_path, capsys, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(SystemExit) as stop:
        tables.main(["--column", "x", str(tmp_path)])
    assert stop.value.code == 2 and str(tmp_path) in capsys.readouterr().err
