"""Tables over runs, from logs written here by hand: each number can be told by looking."""

import json

import pytest

import tables


def scores(zsl, h):
    return {
        branch: {"U": 1.0, "S": 2.0, "H": h, "AUSUC": 3.0, "ZSL": zsl} for branch in ("final", "attention")
    }


def write_run(folder, log, trial=None):
    lines = [{"epoch": epoch, "scores": scores(*pair)} for epoch, pair in enumerate(log)]
    results = {"branch": "attention", "best": lines[0], "last": lines[-1], "options": {"sel_res": "layer"}}
    for place, several in (
        (folder, lines),
        (
            folder / "validation",
            trial and [{"epoch": e, "scores": scores(*pair)} for e, pair in enumerate(trial)],
        ),
    ):
        if several:
            place.mkdir(parents=True, exist_ok=True)
            (place / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in several))
    if trial:
        results["clean"] = lines[0]
    (folder / "results.json").write_text(json.dumps(results))


def write_zsl_run(folder, accuracies):
    folder.mkdir(parents=True)
    lines = [
        {"epoch": epoch, "scores": {"attention": {"accuracy": value}}}
        for epoch, value in enumerate(accuracies)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "results.json").write_text(
        json.dumps({"best": lines[0], "last": lines[-1], "options": {"sel_res": "layer"}})
    )


def rows(printed):
    """{row: cells} of one Markdown table."""
    return {
        line.split(" | ")[0].strip("| "): [cell.strip(" |") for cell in line.split(" | ")[1:]]
        for line in printed.strip().splitlines()
    }


def test_each_score_has_the_epoch_that_its_protocol_chooses(tmp_path, capsys):
    write_run(tmp_path / "a", log=[(10, 1), (30, 2), (20, 9)], trial=[(5, 8), (4, 1), (6, 2)])
    tables.main(["--column", "one", str(tmp_path / "a"), "--kinds", "attention"])
    table = rows(capsys.readouterr().out)
    assert table["DSVA attention, paper protocol"] == ["30.0", "9.0"]  # best test epochs: 1 for ZSL, 2 for H
    assert table["DSVA attention, clean protocol"] == [
        "20.0",
        "1.0",
    ]  # best validation epochs: 2 for ZSL, 0 for H
    assert table["DSVA attention, last epoch"] == ["20.0", "9.0"]


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
    zsl, gzsl = capsys.readouterr().out.strip().split("\n\n")
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
    assert capsys.readouterr().out == ',x ZSL\n"DSVA attention, last epoch",15.0 ± 7.1\n'
    tables.main([*words, "latex"])
    assert r"DSVA attention, last epoch & 15.0 $\pm$ 7.1 \\" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, told",
    [
        (["--column", "x"], "x: expected a title and folders"),
        (["--column", "x", "/nowhere/*"], "/nowhere/*"),
        (["--column", "x", "a", "--row", "y", "b"], "different tables"),
        (["--format", "word"], "--format"),
    ],
)
def test_wrong_use_is_told_in_a_line(words, told, capsys):
    with pytest.raises(SystemExit) as stop:
        tables.main(words)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and told in error and error.count("\n") == 1


def test_a_folder_that_holds_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "results.json").write_text('{"last": {}}')
    with pytest.raises(SystemExit) as stop:
        tables.main(["--column", "x", str(tmp_path)])
    assert stop.value.code == 2 and str(tmp_path) in capsys.readouterr().err
