"""gpu_check.py, small and on a CPU: it tries what it says, and prints what it measured."""

import io
import json
from argparse import Namespace
from contextlib import redirect_stdout

import pytest
import torch

import gpu_check
from bench import check_tables, episode, speed, suite
from bench.checks import Check
from bench.episode import Tolerance, Way
from bench.experiments import IN_FULL, Measured
from bench.kernels import Kernels
from bench.published_scripts import EXPERIMENTS
from bench.rows import EVALUATIONS, KEPT, STEPS
from bench.table import three_digits
from data.cache import open_shared

SMALL = ["--small", "--device", "cpu"]
CORRECTNESS = [
    "parity with the authors' program",
    "tests marked gpu, run on the CPU",
    *(
        f"{what}, {way}"
        for way in ("fp32", "tf32", "bf16")
        for what in ("losses", "gradients", "equal windows")
    ),
    "two equal trainings, fp32",
    "a training killed and continued",
    "two processes: losses",
    "two processes: evaluation",
]
KINDS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.fixture(autouse=True)
def forget_pictures():
    yield
    open_shared.cache_clear()  # which holds those of a folder that is gone


def run(*words, output) -> str:
    """What it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        gpu_check.main([*SMALL, *words, "--output", str(output)])
    return printed.getvalue()


def read(output) -> dict:
    return json.loads((output / "gpu.json").read_text(encoding="utf-8"))


def ends(capsys, code, *words, output) -> str:
    """What it says on stderr when it ends with this exit code."""
    with pytest.raises(SystemExit) as stop:
        gpu_check.main([*SMALL, *words, "--output", str(output)])
    assert stop.value.code == code
    return capsys.readouterr().err


# ---- all of it -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory, one_thread):
    """The record of a whole check, and what it printed."""
    output = tmp_path_factory.mktemp("check") / "gpu"
    printed = run(output=output)
    return output, read(output), printed


def test_every_check_of_correctness_is_made_and_right(whole):
    _, record, printed = whole
    checks = record["parts"]["correctness"]["checks"]
    assert [one["what"] for one in checks] == CORRECTNESS
    for one in checks:
        assert one["ok"] is True, one
        (line,) = [line for line in printed.splitlines() if line.startswith(one["what"] + "  ")]
        assert line.endswith(one["found"]) and one["expected"] in line and "  ok  " in line


def test_every_setting_and_every_cache_is_timed(whole):
    _, record, printed = whole
    part = record["parts"]["speed"]
    assert [table["setting"] for table in part["tables"]] == ["bf16", "tf32", "fp32"]
    for table in part["tables"]:
        names = [row["name"] for row in table["rows"]]
        assert names == [*gpu_check.STEPS, *gpu_check.EVALUATIONS] and not table["problems"]
        kernels = {row["name"]: row["kernels"] for row in table["rows"]}
        assert kernels[KEPT] < kernels["evaluation"] / 2  # the tower has nothing to do
        for row in table["rows"]:
            assert row["seconds"].keys() == {"ours", "tower", "published"} and row["kernels"] > 9
            assert (
                f"{row['name']:20}{three_digits(1000 * row['seconds']['ours'] / row['batches']):>10}"
                in printed
            )
    assert [row["cache"] for row in part["loading"]] == ["none", "disk", "memory", "device"]
    for row in part["loading"]:
        assert f"{row['training']:21.0f}{row['test']:17.0f}" in printed


def test_six_experiments_are_projected_and_one_is_run(whole):
    output, record, printed = whole
    part = record["parts"]["experiments"]
    assert [one["name"] for one in part["experiments"]] == list(EXPERIMENTS)
    assert part["total_minutes"] == pytest.approx(sum(part["minutes"].values()))
    assert f"{part['total_minutes']:9.2f}\n" in printed and f"{part['in_full']:9.2f}\n" in printed
    images = {one["name"]: one["images"] for one in part["experiments"]}
    assert images["01_zsl_40_30"] == 6 * 20 and images["03_zsl_60_10"] == 2 * 20
    assert images["13_gzsl_60_10"] == 2 * 20 + 12 * 4  # a fifth of the seen ones is tested
    results = json.loads((output / "in_full" / IN_FULL / "results.json").read_text(encoding="utf-8"))
    assert results["last"]["epoch"] == 1 and results["options"]["precision"] == "bf16"


def test_a_rehearsal_says_that_it_is_one_and_ends_with_a_verdict(whole):
    _, record, printed = whole
    assert "a rehearsal: a tiny tower and tiny data. Its seconds say nothing of a GPU" in printed
    assert "GPU busy" not in printed and "goal" not in printed
    assert not [line for line in printed.splitlines() if line.startswith("cache   ") and "GB" in line]
    checks = [one for part in record["parts"].values() for one in part["checks"]]
    assert printed.endswith(f"all {len(checks)} checks are right\n")


def test_on_a_gpu_there_are_goals_and_a_column_of_how_busy_it_is(whole):
    _, record, _ = whole
    parts = json.loads(json.dumps(record["parts"]))
    for table in parts["speed"]["tables"]:
        for row in table["rows"]:
            row["busy"] = 0.001
    printed = io.StringIO()
    with redirect_stdout(printed):
        for name, part in parts.items():
            check_tables.print_part(name, part, has_goals=True)
    assert "goal on an H100: 3" in printed.getvalue() and "GPU busy" in printed.getvalue()


def test_a_check_that_could_not_be_tried_is_named(capsys):
    checks = [{"what": "a", "ok": True}, {"what": "b", "ok": None}]
    check_tables.print_verdict([{"checks": checks}])
    assert capsys.readouterr().out == "1 of 2 checks not tried: b\n"


@pytest.mark.parametrize(
    "value, text", [(0.000244, "0.000244"), (1.5, "1.50"), (109.378, "109"), (12345.6, "12346"), (0, "0.00")]
)
def test_numbers_have_three_digits(value, text):
    assert three_digits(value) == text


def test_gpu_json_says_where_and_with_what(whole):
    output, record, printed = whole
    assert record["finished"] and record["options"]["small"] and record["options"]["image_size"] == 32
    assert record["device"] in printed and record["versions"]["torch"] in printed
    assert (
        record["machine"] and record["git"] and all(part["seconds"] > 0 for part in record["parts"].values())
    )
    assert {file.name for file in output.iterdir()} == {"gpu.json", "in_full", ".lock"}


# ---- what is measured is printed -------------------------------------------------------------------


def test_the_table_shows_the_seconds_that_were_taken(tmp_path, monkeypatch):
    def half_a_second(programs, rounds, device):
        return {who: program() for who, program in programs.items()}, dict.fromkeys(programs, 0.5)

    monkeypatch.setattr("bench.workload.time_alternately", half_a_second)
    monkeypatch.setattr(gpu_check, "measure_loading", lambda *all: [])
    printed = run("--parts", "speed", output=tmp_path / "gpu")
    lines = [line.split() for line in printed.splitlines() if line.startswith(("warm-up ", "full "))]
    assert len(lines) == 6 and all(line[1:4] == ["500", "500", "1.00"] for line in lines)
    assert f"product of matrices {2 * gpu_check.SMALL['matrix'] ** 3 / 0.5 / 1e12:.3g} TFLOP/s" in printed


def test_the_projection_is_printed(tmp_path, monkeypatch):
    measured = Measured(
        start=6.0,
        steps=dict.fromkeys(KINDS, 1.5),
        test_images={False: 0.25, True: 0.5},
        kept_images=0.125,
        write=2.0,
    )
    monkeypatch.setattr(gpu_check, "measure", lambda *all: measured)
    monkeypatch.setattr(gpu_check, "run_in_full", lambda *all: 2.5)
    printed = run("--parts", "experiments", output=tmp_path / "gpu")
    assert (
        "full step                  1500.0 ms" in printed
        and "test                            4 images/s" in printed
    )
    seconds = 6 + 4 * 1.5 + 2 * 40 * 0.25 + 2 * 2
    assert f"{IN_FULL:16}{0.1:8.2f}{0.1:8.2f}{1 / 3:8.2f}{4 / 60:9.2f}{seconds / 60:9.2f}" in printed
    assert f"0.{round(100 * seconds / 60)}" in printed and "     2.50\n" in printed and "goal" not in printed


# ---- what is wrong is found ------------------------------------------------------------------------


@pytest.fixture
def episode_alone(monkeypatch):
    """Of correctness only the episode."""
    monkeypatch.setattr(gpu_check, "check_suite", lambda *all: [])
    monkeypatch.setattr(gpu_check, "check_trainings", lambda *all: [Check("a training", "x", "x", True)])


def test_a_check_that_fails_gives_code_1_and_the_others_are_made(
    tmp_path, monkeypatch, capsys, episode_alone
):
    strict = Way("bf16", "bf16", False, Tolerance(losses=1e-9, gradients=1e-9, windows=0.0))
    monkeypatch.setattr(episode, "WAYS", [episode.WAYS[0], strict])
    with pytest.raises(SystemExit) as stop:
        gpu_check.main([*SMALL, "--parts", "correctness", "--output", str(tmp_path / "gpu")])
    printed = capsys.readouterr().out
    assert stop.value.code == 1 and "2 of 7 checks not right" in printed
    answers = {one["what"]: one["ok"] for one in read(tmp_path / "gpu")["parts"]["correctness"]["checks"]}
    assert answers["losses, fp32"] and answers["a training"]
    assert not answers["losses, bf16"] and not answers["gradients, bf16"]
    assert printed.count("FAILED") == 3  # two rows, and the last line


@pytest.mark.parametrize("what", ["losses", "gradients", "equal windows"])
def test_another_network_than_on_the_cpu_is_noticed(tmp_path, monkeypatch, capsys, episode_alone, what):
    """A device that adds a little to the prototypes."""
    compute = episode.compute
    monkeypatch.setattr(episode, "WAYS", episode.WAYS[:1])

    def wrong(network, one, device, boxes=None):
        if boxes is not None:
            with torch.no_grad():
                network.prototypes += 0.05 * torch.randn_like(network.prototypes)
        return compute(network, one, device, boxes)

    monkeypatch.setattr(episode, "compute", wrong)
    ends(capsys, 1, "--parts", "correctness", output=tmp_path / "gpu")
    checks = read(tmp_path / "gpu")["parts"]["correctness"]["checks"]
    assert [one["ok"] for one in checks if one["what"] == f"{what}, fp32"] == [False]


def test_an_error_in_a_part_leaves_the_others(tmp_path, monkeypatch, capsys, episode_alone):
    def fail(*all, **more):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(gpu_check, "compare_episode", fail)
    monkeypatch.setattr(gpu_check, "measure_setting", fail)
    monkeypatch.setattr(gpu_check, "measure_loading", lambda *all: [])
    with pytest.raises(SystemExit) as stop:
        gpu_check.main([*SMALL, "--parts", "correctness", "speed", "--output", str(tmp_path / "gpu")])
    printed = capsys.readouterr().out
    assert stop.value.code == 1 and printed.count("RuntimeError: CUDA error") == 4  # three precisions
    assert "speed of tf32" in printed and "cache  " in printed and read(tmp_path / "gpu")["finished"]


def test_tests_that_take_too_long_fail_two_checks(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "PATIENCE", 0.01)
    checks = suite.check_suite(tmp_path, torch.device("cpu"), small=True)
    assert [one.ok for one in checks] == [False, False]
    assert all("it was not finished after 0.01 s" in one.found for one in checks)


@pytest.mark.parametrize("fails", [True, False])
def test_a_machine_whose_kernels_cannot_be_seen_is_timed_all_the_same(tmp_path, monkeypatch, capsys, fails):
    def count(program, device):
        if fails:
            raise RuntimeError("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES")
        return Kernels(0, 0.0)

    monkeypatch.setattr(speed, "count_kernels", count)
    monkeypatch.setattr(gpu_check, "measure_loading", lambda *all: [])
    if fails:
        ends(capsys, 1, "--parts", "speed", output=tmp_path / "gpu")
    else:
        run("--parts", "speed", output=tmp_path / "gpu")
    for table in read(tmp_path / "gpu")["parts"]["speed"]["tables"]:
        assert [row["name"] for row in table["rows"]] == [*STEPS, *EVALUATIONS]
        assert not any("kernels" in row for row in table["rows"])


def test_an_error_in_a_row_of_speed_is_told(tmp_path, monkeypatch, capsys):
    def measure(self, name, rounds, alone):
        raise AssertionError(f"{name}: the loss is 1, and in the published order 2")

    monkeypatch.setattr(speed.Work, "measure", measure)
    monkeypatch.setattr(gpu_check, "measure_loading", lambda *all: [])
    ends(capsys, 1, "--parts", "speed", output=tmp_path / "gpu")
    checks = read(tmp_path / "gpu")["parts"]["speed"]["checks"]
    assert len(checks) == 3 * len([*STEPS, *EVALUATIONS]) and "full: the loss is 1" in checks[2]["found"]


# ---- interrupted, and refused ----------------------------------------------------------------------


def test_an_interrupted_check_goes_on_with_the_part_that_it_was_at(
    tmp_path, monkeypatch, capsys, episode_alone
):
    output = tmp_path / "gpu"

    def interrupt(*all):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gpu_check, "measure_setting", interrupt)
        error = ends(capsys, 130, "--parts", "correctness", "speed", output=output)
    assert "interrupted" in error and not (output / "generated").exists()
    left = read(output)
    assert not left["finished"] and list(left["parts"]) == ["correctness"]

    monkeypatch.setattr(gpu_check, "correctness", interrupt)  # which is done
    monkeypatch.setattr(gpu_check, "speed", lambda *all: {"tables": [], "loading": [], "checks": []})
    printed = run("--parts", "correctness", "speed", output=output)
    assert "a training" in printed and read(output)["finished"]
    assert read(output)["parts"]["correctness"] == left["parts"]["correctness"]
    monkeypatch.setattr(gpu_check, "correctness", lambda *all: {"checks": []})  # a finished one begins anew
    run("--parts", "correctness", output=output)
    assert read(output)["parts"]["correctness"]["checks"] == [] and "speed" in read(output)["parts"]
    monkeypatch.setattr(gpu_check, "correctness", interrupt)
    ends(capsys, 130, "--parts", "correctness", output=output)
    assert list(read(output)["parts"]) == ["speed"] and not read(output)["finished"]


def test_numbers_of_other_options_are_not_kept(tmp_path, monkeypatch, episode_alone):
    monkeypatch.setattr(gpu_check, "correctness", lambda *all: {"checks": []})
    monkeypatch.setattr(gpu_check, "speed", lambda *all: {"tables": [], "loading": [], "checks": []})
    run("--parts", "correctness", output=tmp_path / "gpu")
    run("--parts", "speed", "--batches", "2", output=tmp_path / "gpu")
    assert list(read(tmp_path / "gpu")["parts"]) == ["speed"]


@pytest.mark.parametrize(
    "patched, free, message",
    [
        (
            "shutil.disk_usage",
            Namespace(free=10**6),
            "the generated data take about 0.00164 GB, and 0.001 GB are",
        ),
        (
            "free_bytes",
            10**6,
            "280 decoded images take 0.00115 GB, and 0.001 GB are free in memory: take fewer",
        ),
    ],
)
def test_too_little_room_is_one_line_before_anything_is_made(
    tmp_path, monkeypatch, capsys, patched, free, message
):
    output = tmp_path / "gpu"
    monkeypatch.setattr(f"bench.full_data.{patched}", lambda place: free)
    error = ends(capsys, 2, "--parts", "experiments", output=output)
    assert error.startswith(f"error: {message}") and error.count("\n") == 1
    assert not (output / "gpu.json").exists() and not (output / "generated").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--parts", "all"], "argument --parts: invalid choice: 'all'"),
        (["--images", "100"], "--images 100: expected at least 8 of each of the 14 classes"),
        (["--steps", "0"], "argument --steps: expected a whole number at least 1, found '0'"),
        (["--device", "cuda:99"], "--device cuda:99 cannot be used here"),
        (["--nepoch", "3"], "unrecognized arguments: --nepoch 3"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, words, message):
    error = ends(capsys, 2, *words, output=tmp_path / "gpu")
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_a_folder_with_something_else_is_refused(tmp_path, capsys):
    for name in ("03_zsl_60_10", "generated"):  # the latter would be ours beside gpu.json
        folder = tmp_path / f"with_{name}" / name
        folder.mkdir(parents=True)
        error = ends(capsys, 2, output=folder.parent)
        assert f"holds something else than a check of a GPU, {name}: name another --output" in error
        assert folder.is_dir()
