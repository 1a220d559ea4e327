"""A loader whose workers die, or find no shared memory, ends the program with one line, and never waits."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from helpers import needs_mount, run_with_shared_memory
from support.errors import InputError, exits_cleanly
from support.loader import InSharedMemory, Loader, share
from support.workers import start_failure, worker_failure

MODEL = Path(__file__).parents[2] / "model"
NEEDS = "the processes that decode images need more shared memory: /dev/shm has 0.0625 MiB. "
ADVICE = "--workers 0 does without such processes; Docker gives more by --shm-size=2g"


class Pictures(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.full((3, 32, 32), index, dtype=torch.uint8), index


class Killed(Pictures):
    def __getitem__(self, index):
        os.kill(os.getpid(), self.number)


class Failing(Pictures):
    def __getitem__(self, index):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1_2>: No space left")


def ending(dataset, capsys) -> tuple:
    """The exit code of a program that goes through a dataset with a worker, and what it says."""
    with pytest.raises(SystemExit) as stop:
        exits_cleanly(lambda: list(Loader(dataset, workers=1)))()
    return stop.value.code, capsys.readouterr().err


# ---- a container with little shared memory ---------------------------------------------------------

PROGRAM = f"""import sys
sys.path.insert(0, {str(MODEL)!r})
import torch
from torch.utils.data import Dataset
from support.errors import exits_cleanly
from support.loader import Loader

class Pictures(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.zeros(4, 3, 224, 224, dtype=torch.uint8), [str(index)]

@exits_cleanly
def main():
    for batch in Loader(Pictures(), workers=2, **eval(sys.argv[1])):
        pass
    print('finished')

main()
"""


def with_shared_memory(size: str, how: str) -> subprocess.CompletedProcess:
    return run_with_shared_memory(size, sys.executable, "-c", PROGRAM, how)


@needs_mount
@pytest.mark.parametrize("how", ["{'batch_size': 2}", "{'batch_size': None}"])
def test_a_small_dev_shm_is_one_line_and_no_hang(how):
    done = with_shared_memory("64k", how)
    assert done.returncode == 2
    said = [line for line in done.stderr.replace("\0", "").splitlines() if "bus error" not in line]
    assert said == [f"error: {NEEDS}{ADVICE}"]  # torch 2.1 has lines of its own, about a bus error


@needs_mount
def test_a_full_dev_shm_is_one_line():
    done = with_shared_memory("4k", "{}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: cannot start 2 processes that decode images: No space left")
    assert ADVICE in done.stderr


@needs_mount
def test_with_enough_it_works():
    assert with_shared_memory("64m", "{'batch_size': None}").stdout == "finished\n"


# ---- the same without a mount ----------------------------------------------------------------------


def test_a_bus_error_of_a_worker_is_one_line(capsys):
    dataset = Killed()
    dataset.number = signal.SIGBUS
    code, said = ending(dataset, capsys)
    assert code == 2 and "need more shared memory" in said and said.endswith(f"{ADVICE}\n")


def test_a_worker_that_the_system_kills_is_one_line(capsys):
    dataset = Killed()
    dataset.number = signal.SIGKILL
    code, said = ending(dataset, capsys)
    assert code == 2
    assert "a process that decodes images is killed by signal: Killed" in said and "--workers 0" in said


def test_no_room_for_a_batch_is_one_line(capsys):
    code, said = ending(Failing(), capsys)
    assert code == 2 and "need more shared memory" in said and said.count("\n") == 1


def test_workers_that_cannot_be_started_are_one_line(monkeypatch):
    def full(*arguments):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", full)
    with pytest.raises(InputError, match="cannot start 2 processes .*temporarily unavailable. --workers 0"):
        iter(Loader(Pictures(), workers=2))


def test_a_worker_itself_puts_a_batch_into_shared_memory():
    """The thread that DataLoader leaves it to drops a batch for which there is no room."""
    batch = InSharedMemory(list)([torch.zeros(2), {"a": torch.zeros(3)}, (torch.zeros(4), "words")])
    assert batch[0].is_shared() and batch[1]["a"].is_shared() and batch[2][0].is_shared()
    share([torch.empty(0), 3, None])


def test_too_many_open_files_are_one_line():
    torchs = "Too many open files. Communication with the workers is no longer possible. Please increase ..."
    line = worker_failure(RuntimeError(torchs))
    assert "ulimit -n" in line and "--workers 0" in line


def test_other_errors_are_not_taken_for_it():
    assert worker_failure(RuntimeError("shapes do not fit")) == ""
    assert worker_failure(ValueError("Bus error")) == ""
    assert "--shm-size" in start_failure(OSError(errno.ENOSPC, "No space left on device"), 2)


# ---- batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", [{"batch_size": 3}, {"batch_size": None}, {"batch_sampler": [[5, 1], [2]]}])
def test_batches_are_those_of_a_dataloader(workers, how):
    expected = list(torch.utils.data.DataLoader(Pictures(), **how))
    found = list(Loader(Pictures(), workers=workers, **how))
    assert len(found) == len(expected)
    for (pixels, labels), (wanted_pixels, wanted_labels) in zip(found, expected):
        assert torch.equal(pixels, wanted_pixels)
        assert torch.equal(torch.as_tensor(labels), torch.as_tensor(wanted_labels))


def test_every_loader_of_the_house_is_this_one():
    for file in MODEL.rglob("*.py"):
        if file.name != "loader.py":
            assert "DataLoader(" not in file.read_text(encoding="utf-8"), file
