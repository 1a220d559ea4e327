"""Trainings of main.py in processes of their own: the same twice, killed and continued, divided."""

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import torch
from safetensors.torch import load_file

from bench.checks import Check, Program, check
from bench.generated import write_tower
from bench.table import three_digits
from dsva.engine import evaluate
from dsva.metrics import score_all
from runs.build import build_data, build_network
from runs.command_line import get_options
from runs.loaders import open_images, test_loader
from runs.settings import benchmark_files, network_settings
from support.cli import REPOSITORY
from support.errors import InputError
from support.processes import SHARE_GPU, progress

EPOCHS = 4
# a warm-up epoch, then full ones, the last of them with windows
SHORT = (
    "--nepoch 4 --pretrain_epoch 0 --pro_start_epoch 2 --use_group --sel_res main --cpt 1e-3 --manualSeed 1"
)
LAYERS = 2  # of the tower, at most: its checkpoints are written 30 times
CLOSE = 1e-5  # how close the losses of two processes are to those of one, as a share
PATIENCE = 600  # seconds that a training may take
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


class Trainings:
    """Short trainings on the same data, in one folder.

    opt:    options of main.py: where the data are, and how large an episode is
    tower:  {name: size} as `write_tower` takes them
    folder: of the run folders, and of a tower
    """

    def __init__(self, opt: Namespace, tower: Dict[str, int], folder: Path, device: torch.device):
        clip = folder / "clip"
        write_tower(clip, **{**tower, "layers": min(tower["layers"], LAYERS)})
        where = ["--root", opt.root, "--clip", str(clip), "--cache", "device", "--device", str(device)]
        sizes = []
        for name in ("n_batch", "ways", "shots", "batch_size", "workers"):
            sizes += [f"--{name}", str(getattr(opt, name))]
        self.words = [*SHORT.split(), *where, *sizes]
        self.folder = folder
        self.device = device

    def start(self, name: str, *words: str, launcher: Sequence[str] = ()) -> subprocess.Popen:
        """Begin a training, or go on with it. It prints into <name>.txt."""
        words = (*self.words, *words, "--output", str(self.folder / name))
        return start_main(words, self.folder / f"{name}.txt", launcher)

    def train(self, *names: str, words: Sequence[str] = (), launcher: Sequence[str] = ()):
        """One or several trainings at once, to their ends."""
        processes: Dict[str, subprocess.Popen] = {}
        try:
            for name in names:
                processes[name] = self.start(name, *words, launcher=launcher)
            for name, process in processes.items():
                finish(process, self.folder / f"{name}.txt")
        finally:
            for process in processes.values():
                stop(process)

    def weights(self, name: str) -> Dict[str, torch.Tensor]:
        return load_file(self.folder / name / "last.safetensors")

    def log(self, name: str) -> List[Dict[str, Any]]:
        """The finished epochs, without their seconds."""
        file = self.folder / name / "log.jsonl"
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def start_main(words: Sequence[str], said: Path, launcher: Sequence[str] = ()) -> subprocess.Popen:
    """main.py in a process of its own, which prints into a file.

    launcher: what Python runs instead, which starts main.py: TORCHRUN
    """
    command = [sys.executable, *launcher, str(REPOSITORY / "model" / "main.py"), *words]
    said.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if launcher and torch.cuda.device_count() < 2:
        environment[SHARE_GPU] = "1"
    with said.open("w", encoding="utf-8") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment
        )


def stop(process: subprocess.Popen):
    """End it, if it still runs: the check was interrupted, or has waited too long."""
    if process.poll() is None:
        process.terminate()
        process.wait()


def finish(process: subprocess.Popen, said: Path):
    """Wait for the end. Raises InputError with the last line that it said if that is an error."""
    try:
        code = process.wait(PATIENCE)
    finally:
        stop(process)
    if code:
        lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
        ours = [line for line in lines if line.startswith("error: ")]  # torchrun reports at length, too
        raise InputError(f"main.py ended with code {code}: {(ours or lines or ['it said nothing'])[-1]}")


# ---- the checks ------------------------------------------------------------------------------------


def check_trainings(trainings: Trainings, precisions: Sequence[str]) -> List[Check]:
    """precisions: in which two equal trainings are compared, of which the first is fp32"""
    programs: List[Tuple[str, str, Program]] = []
    for precision in precisions:
        twice = partial(equal, trainings, precision)
        programs.append((f"two equal trainings, {precision}", "equal bits", twice))
    programs += [
        ("a training killed and continued", "the weights of one not killed", partial(killed, trainings)),
        ("two processes: losses", f"those of one to {CLOSE:g}", partial(divided, trainings)),
        ("two processes: evaluation", "that of one", partial(evaluated, trainings)),
    ]
    checks = []
    for what, expected, program in progress(programs, "trainings"):
        checks.append(check(what, expected, program))
    return checks


def equal(trainings: Trainings, precision: str) -> Tuple[str, bool]:
    """Weights and scores of two trainings."""
    names = [f"{precision}-{number}" for number in (1, 2)]
    trainings.train(*names, words=["--precision", precision])
    return compare_runs(trainings, *names)


def compare_runs(trainings: Trainings, one: str, other: str) -> Tuple[str, bool]:
    """Are their weights equal to the bit, and all losses and scores?"""
    different = different_weights(trainings.weights(one), trainings.weights(other))
    same_log = trainings.log(one) == trainings.log(other)
    if different or not same_log:
        return f"{different} weights differ, log {'equal' if same_log else 'different'}", False
    return "equal bits", True


def different_weights(one: Dict[str, torch.Tensor], other: Dict[str, torch.Tensor]) -> int:
    """How many tensors are not equal to the bit."""
    names = one.keys() | other.keys()
    return sum(
        name not in one or name not in other or not torch.equal(one[name], other[name]) for name in names
    )


def killed(trainings: Trainings) -> Tuple[str, bool]:
    """Kill a training after its second epoch, start it again, and compare it with one that was left alone."""
    process = trainings.start("killed", "--precision", "fp32")
    began = time.monotonic()
    while process.poll() is None and len(trainings.log("killed")) < EPOCHS // 2:
        if time.monotonic() - began > PATIENCE:
            break
        time.sleep(0.005)
    process.kill()
    process.wait()
    finished = len(trainings.log("killed"))
    if not EPOCHS // 2 <= finished < EPOCHS:
        finish(process, trainings.folder / "killed.txt")  # which says what went wrong
        return f"{finished} of {EPOCHS} epochs were finished when it should be killed", False
    trainings.train("killed", words=["--precision", "fp32"])
    found, ok = compare_runs(trainings, "fp32-1", "killed")
    return f"{found}, killed after epoch {finished - 1}", ok


def divided(trainings: Trainings) -> Tuple[str, bool]:
    """Each process takes half of every batch, and the gradients are added up.

    Epochs with windows do not count: a window may move by a pixel, and with it the loss of an image.
    """
    trainings.train("divided", words=["--precision", "fp32"], launcher=TORCHRUN)
    worst = 0.0
    lines = zip(trainings.log("fp32-1"), trainings.log("divided"))
    for one, two in [pair for pair in lines if not pair[0]["windows"]]:
        for name, value in one["losses"].items():
            worst = max(worst, abs(two["losses"][name] - value) / max(abs(value), 1e-2))
    return three_digits(worst), worst <= CLOSE


def evaluated(trainings: Trainings) -> Tuple[str, bool]:
    """The scores that two processes found of their last weights, and those that this one finds of these."""
    opt = get_options(trainings.words)
    checkpoint = trainings.folder / "divided" / "last.safetensors"
    device = trainings.device
    data = build_data(benchmark_files(opt), opt.only_groups, device)
    network = build_network(network_settings(opt), data, device, checkpoint)
    images = open_images(opt, data, network, device)
    batches = test_loader(opt, data, images, device)
    classes = data.candidates(opt.gzsl)
    probabilities, labels = evaluate(network, batches, data.class_attributes, classes, True, "test")
    scores, _ = score_all(probabilities, labels, classes, data.seen, data.unseen, opt.gzsl, 0.0)
    is_same = scores == trainings.log("divided")[-1]["scores"]
    return ("the same" if is_same else "other scores"), is_same
