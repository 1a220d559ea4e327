"""A training that is killed, interrupted, or has no room to write goes on as if nothing had happened; two
at once are refused."""

import errno
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import main as program
from helpers import QUICK, fails, log, run
from runs import checkpoint
from runs import folder as run_folder
from support.cli import CORES
from support.errors import InputError
from support.files import read_json

WORDS = f"{QUICK} --sel_res main --manualSeed 2"  # the best epoch is neither the first nor the last

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(WORDS, output=folder, **places)
    assert read_json(folder / "results.json")["best"]["epoch"] == 1
    return folder


def before_epoch(monkeypatch, number: int, act):
    """Do it when the training of this epoch begins."""

    def train(*arguments, **more):
        if arguments[-1] == f"epoch {number}":
            act()
        return once(*arguments, **more)

    once = program.train_one_epoch
    monkeypatch.setattr(program, "train_one_epoch", train)


def assert_same(folder: Path, other: Path):
    assert log(folder) == log(other)
    for name in ("best", "last"):
        weights = load_file(other / f"{name}.safetensors")
        assert all(
            torch.equal(value, weights[key])
            for key, value in load_file(folder / f"{name}.safetensors").items()
        )
        for table in run_folder.TABLES:
            assert (folder / f"{table}_{name}.csv").read_bytes() == (
                other / f"{table}_{name}.csv"
            ).read_bytes()


# ---- killed ----------------------------------------------------------------------------------------


def test_killed_at_file_operations_it_ends_the_same():
    """A short form of script/kill_test.sh."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tests" / "kill_runs.py", "--every", "139", "--random", "0"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kills = int(done.stdout.splitlines()[-1].split()[0])
    assert kills >= 9 and done.stdout.splitlines()[-1].endswith("ended as if nothing had happened")


def test_real_processes_with_workers_are_stopped_and_killed_and_gone_on_with(whole, places, tmp_path):
    log_file, words = (
        tmp_path / "run" / "log.jsonl",
        [
            sys.executable,
            REPOSITORY / "model" / "main.py",
            *shlex.split(f"{WORDS} --workers {min(2, CORES)}"),
        ],
    )
    words += [str(word) for name, value in places.items() for word in (f"--{name}", value)] + [
        "--output",
        tmp_path / "run",
    ]
    for epochs, number, code in ((1, signal.SIGTERM, 143), (2, signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        while process.poll() is None and not (
            log_file.is_file() and log_file.read_text().count("\n") >= epochs
        ):
            time.sleep(0.01)
        os.killpg(process.pid, number)  # its workers, too, as a terminal or a queue does
        said = process.communicate()[1].strip()
        assert process.returncode == code, said
        assert code < 0 or "the same command goes on" in said and "\n" not in said and "Traceback" not in said
    run(WORDS, output=tmp_path / "run", **places)
    assert_same(tmp_path / "run", whole)


def test_a_folder_in_which_a_run_was_killed_at_once_is_taken_and_cleaned(whole, places, tmp_path):
    for name in (".options.json.4711", ".last.safetensors.4711", ".per_class_best.csv.12"):
        (tmp_path / name).write_text("half a fi")
    run(WORDS, output=tmp_path, **places)
    assert_same(tmp_path, whole)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in whole.iterdir()}


def test_the_folder_of_several_runs_is_cleaned_too(places, tmp_path):
    (tmp_path / ".results.json.4711").write_text("half a fi")
    run(f"{WORDS} --nepoch 1 --seeds 2", output=tmp_path, **places)
    assert {file.name for file in tmp_path.iterdir()} == {
        ".lock",
        "results.json",
        "division-0_seed-2",
        "division-0_seed-3",
    }


def test_killed_between_last_and_best_the_best_is_made_up_for(places, tmp_path, monkeypatch):
    def killed(self, name):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder.Run, "keep", killed)
    with pytest.raises(SystemExit):
        run(f"{WORDS} --nepoch 1", output=tmp_path / "run", **places)
    assert not (tmp_path / "run" / "best.safetensors").exists()
    monkeypatch.undo()
    run(f"{WORDS} --nepoch 1", output=tmp_path / "run", **places)
    for ending in ("per_class_{}.csv", "confusion_{}.csv", "{}.safetensors"):
        best, last = ((tmp_path / "run" / ending.format(name)).read_bytes() for name in ("best", "last"))
        assert best == last


# ---- interrupted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_one_line_and_the_same_command_goes_on(
    whole, places, tmp_path, capsys, monkeypatch, number, code
):
    if number == signal.SIGINT:
        signal.signal(
            number, signal.default_int_handler
        )  # a shell lets what it starts in the background ignore it
    before = signal.getsignal(number)
    before_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as stop:
        run(WORDS, output=tmp_path / "run", **places)
    said = capsys.readouterr().err.strip()
    assert stop.value.code == code and "\n" not in said
    assert "the last whole epoch" in said and "the same command goes on" in said
    assert [line["epoch"] for line in log(tmp_path / "run")] == [0] and signal.getsignal(number) == before
    monkeypatch.undo()
    run(WORDS, output=tmp_path / "run", **places)
    assert_same(tmp_path / "run", whole)


def test_an_epoch_depends_on_no_draw_before_it(whole, places, tmp_path, monkeypatch):
    """A tower that drops at random would otherwise draw other numbers after an interruption."""
    draws = []
    before_epoch(monkeypatch, 2, lambda: draws.append(torch.rand(1).item()))
    run(WORDS, output=tmp_path / "run", **places)
    monkeypatch.undo()
    run(f"{WORDS} --nepoch 2", output=tmp_path / "parts", **places)
    before_epoch(monkeypatch, 2, lambda: draws.append(torch.rand(1).item()))
    run(WORDS, output=tmp_path / "parts", **places)
    assert draws[0] == draws[1]


# ---- two at once -----------------------------------------------------------------------------------


@contextmanager
def another_process_in(folder: Path):
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY / 'model')!r})\n"
        "from pathlib import Path\nfrom support.files import hold\n"
        f"lock = hold(Path({str(folder)!r})); print(); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("words", ["", "--seeds 2"])
def test_two_runs_in_one_folder_are_refused(places, tmp_path, capsys, words):
    with another_process_in(tmp_path / "run") as other:
        assert f"another process is writing to {tmp_path / 'run'}: wait until it ends" in fails(
            capsys, f"{WORDS} {words}", output=tmp_path / "run", **places
        )
        other.kill()
        other.wait()
        run(f"{WORDS} --nepoch 1 {words}", output=tmp_path / "run", **places)


def test_a_run_that_another_process_began_meanwhile_is_not_gone_on_with_unread(
    places, tmp_path, capsys, monkeypatch
):
    def build(*arguments):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "options.json").write_text("{}")
        return once(*arguments)

    once = program.build_network
    monkeypatch.setattr(program, "build_network", build)
    assert "start the same command again" in fails(capsys, WORDS, output=tmp_path / "run", **places)


def test_several_runs_do_not_overwrite_the_results_of_one(whole, places, capsys):
    before = (whole / "results.json").read_bytes()
    assert "holds a run of one division and seed" in fails(
        capsys, f"{WORDS} --random_id 0,1", output=whole, **places
    )
    assert (whole / "results.json").read_bytes() == before


# ---- no room to write ------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["log.jsonl", "per_class_last.csv", "last.safetensors", "best.safetensors"])
def test_a_full_disk_leaves_the_last_epoch_whole(whole, places, tmp_path, capsys, monkeypatch, file):
    def full():
        def replace(source, target):
            if Path(target).name == file:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return once(source, target)

        once = os.replace
        monkeypatch.setattr(os, "replace", replace)

    before_epoch(monkeypatch, 1, full)
    error = fails(capsys, WORDS, output=tmp_path / "run", **places)
    assert f"cannot write {tmp_path / 'run' / file}: " in error and "No space left on device" in error
    assert not [file.name for file in (tmp_path / "run").iterdir() if file.suffix[1:].isdigit()]
    load_file(tmp_path / "run" / "last.safetensors")
    monkeypatch.undo()
    run(WORDS, output=tmp_path / "run", **places)
    assert_same(tmp_path / "run", whole)


@contextmanager
def room_for(size: int):
    """No file may become larger. Python ignores the signal, so that writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Heads(nn.Linear):
    """As little of a network as a checkpoint needs."""

    class tower:
        class config:
            @staticmethod
            def to_dict():
                return {}


def test_a_checkpoint_that_finds_no_room_leaves_the_former_one_whole(tmp_path):
    model, file = Heads(100, 100), tmp_path / "last.safetensors"
    checkpoint.save_checkpoint(file, model, 0, {})
    before = file.read_bytes()
    with (
        room_for(len(before) // 2),
        pytest.raises(InputError, match=f"cannot write {file}: .*File too large"),
    ):
        checkpoint.save_checkpoint(file, model, 1, {})
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("output", ["a file/run", "/proc/run"])
def test_a_place_that_cannot_be_written_is_one_line(places, tmp_path, capsys, output):
    (tmp_path / "a file").touch()
    assert f"cannot write {tmp_path / output}: " in fails(capsys, WORDS, output=tmp_path / output, **places)


def test_a_run_is_refused_before_it_trains_if_its_folder_cannot_be_written(
    whole, places, capsys, monkeypatch
):
    """As root no folder is read-only: the error is made."""

    def refuse(*arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", refuse)
    assert f"cannot write {whole / 'options.json'}: [Errno 13] Permission denied" in fails(
        capsys, WORDS, output=whole, **places
    )
