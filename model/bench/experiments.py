"""How long the published experiments take, from measured steps; and one of them in full."""

import time
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import torch

from bench.published_scripts import script_options
from bench.runs_of_main import finish, start_main, stop
from bench.workload import Work, wait
from data.cache import open_shared
from dsva.protocol import training_part
from runs.build import build_data
from runs.checkpoint import save_checkpoint
from runs.command_line import get_options
from runs.fingerprints import fingerprints
from runs.loaders import keep_tokens, looks_of_training, test_loader
from runs.records import looks_at_windows
from runs.settings import benchmark_files, clip_folder, schedule_of
from support.files import read_json
from support.processes import progress

IN_FULL = "03_zsl_60_10"
Kind = Tuple[bool, bool]  # of a step: does everything learn, are there windows?


@dataclass
class Measured:
    """Seconds, on this device.

    start:       from nothing to the first step: Python, its libraries, data, network, pictures
    steps:       of a step, by its kind
    test_images: of a test image, without windows and with them
    kept_images: of a test image whose tokens are kept; None where they are not
    write:       of a checkpoint, as it is written after every epoch
    """

    start: float
    steps: Dict[Kind, float]
    test_images: Dict[bool, float]
    kept_images: Optional[float]
    write: float


@dataclass
class Projection:
    """An experiment at its real length.

    steps:   how many of each kind
    tests:   how many are "kept", which read the tokens of an earlier one, look at "windows", or are "plain"
    images:  of a test
    seconds: of "start", "steps", "tests" and "writing"
    """

    name: str
    steps: Dict[Kind, int]
    tests: Dict[str, int]
    images: int
    seconds: Dict[str, float]

    @property
    def minutes(self) -> float:
        return sum(self.seconds.values()) / 60


def read_experiments(where: Sequence[str], changes: Sequence[str]) -> Dict[str, Namespace]:
    """The options of each. `where` the data are, and `changes`, override what the scripts say."""
    return {name: get_options([*words, *where, *changes]) for name, words in script_options().items()}


# ---- measuring -------------------------------------------------------------------------------------


def measure(experiments: Dict[str, Namespace], steps: int, imports: float, folder: Path) -> Measured:
    """Time `steps` steps of each kind that the experiments have, a test, and a checkpoint.

    Pictures come from where --cache says, as in a run.
    imports: seconds until Python has its libraries
    """
    open_shared.cache_clear()
    began = time.perf_counter()
    opt = Namespace(**{**vars(experiments[IN_FULL]), "n_batch": steps})
    fingerprints(benchmark_files(opt), clip_folder(opt))
    work = Work(opt, batches=1, with_published=False)
    part = training_part(opt.gzsl, opt.protocol == "clean")
    looks_of_training(opt, work.data, part, work.images, work.device)
    work.steps(work.model, full=False, windows=False)()
    start = imports + time.perf_counter() - began

    kinds = sorted({kind for one in experiments.values() for kind in count_steps(one)})
    seconds = {}
    for full, windows in progress(kinds, "steps"):
        program = work.steps(work.model, full, windows, work.training_loader())
        seconds[full, windows] = second_time(program, work.device) / steps
    tests, kept = measure_tests(work, opt, any(count_tests(one)["windows"] for one in experiments.values()))
    write = time_checkpoint(work, folder)
    open_shared.cache_clear()
    return Measured(start, seconds, tests, kept, write)


def measure_tests(work: Work, opt: Namespace, windows: bool) -> Tuple[Dict[bool, float], Optional[float]]:
    """Seconds of a test image, without windows and perhaps with them, and of one whose tokens are kept."""
    loader = test_loader(opt, work.data, work.images, work.device)
    images = len(work.data.test_images(opt.gzsl))
    seconds = {}
    for look_again in progress([False, True] if windows else [False], "tests"):
        test = work.evaluation(work.model, look_again, loader)
        seconds[look_again] = second_time(test, work.device) / images
    tokens = keep_tokens(opt, work.data, work.model, work.device)
    if tokens is None:
        return seconds, None
    test = work.evaluation(work.model, False, loader, tokens)
    return seconds, second_time(test, work.device) / images


def second_time(program, device: torch.device) -> float:
    """Seconds of a program that has run once before, to warm up."""
    program()
    wait(device)
    began = time.perf_counter()
    program()
    wait(device)
    return time.perf_counter() - began


def time_checkpoint(work: Work, folder: Path) -> float:
    """Seconds to write the weights."""
    file = folder / "written.safetensors"
    began = time.perf_counter()
    save_checkpoint(file, work.model, 0, vars(work.opt), classes=work.data)
    seconds = time.perf_counter() - began
    file.unlink()
    return seconds


# ---- projecting ------------------------------------------------------------------------------------


def count_steps(opt: Namespace) -> Dict[Kind, int]:
    """How many steps of each kind a training has."""
    schedule = schedule_of(opt)
    count: Dict[Kind, int] = {}
    for epoch in range(opt.nepoch):
        kind = (schedule.is_full(epoch), schedule.uses_windows(epoch))
        count[kind] = count.get(kind, 0) + opt.n_batch
    return count


def count_tests(opt: Namespace) -> Dict[str, int]:
    """How many tests of each kind a training has, see `Projection`."""
    schedule = schedule_of(opt)
    count = {"plain": 0, "windows": 0, "kept": 0}
    for epoch in range(opt.nepoch):
        if not schedule.is_tested(epoch):
            continue
        if looks_at_windows(opt.sel_res, schedule.uses_windows(epoch)):
            count["windows"] += 1
        elif schedule.is_full(epoch) or not count["plain"]:
            count["plain"] += 1
        else:
            count["kept"] += 1
    return count


def project(name: str, opt: Namespace, measured: Measured) -> Projection:
    """Minutes of an experiment: its own numbers of steps, tests, test images and epochs."""
    steps = count_steps(opt)
    tests = count_tests(opt)
    data = build_data(benchmark_files(opt), opt.only_groups, torch.device("cpu"))
    images = len(data.test_images(opt.gzsl))
    plain = measured.test_images[False]
    kept = plain if measured.kept_images is None else measured.kept_images
    of_an_image = tests["plain"] * plain + tests["kept"] * kept
    if tests["windows"]:
        of_an_image += tests["windows"] * measured.test_images[True]
    seconds = {
        "start": measured.start,
        "steps": sum(count * measured.steps[kind] for kind, count in steps.items()),
        "tests": images * of_an_image,
        "writing": opt.nepoch * measured.write,
    }
    return Projection(name, steps, tests, images, seconds)


def summary(measured: Measured, projections: Sequence[Projection]) -> Dict[str, Any]:
    """What was measured, and what follows, for gpu.json."""
    return {
        "start": measured.start,
        "write": measured.write,
        "steps": [
            {"full": full, "windows": windows, "seconds": seconds}
            for (full, windows), seconds in measured.steps.items()
        ],
        "tests": [
            {"windows": windows, "seconds_per_image": seconds}
            for windows, seconds in measured.test_images.items()
        ],
        "kept_seconds_per_image": measured.kept_images,
        "experiments": [described(one) for one in projections],
        "minutes": {one.name: one.minutes for one in projections},
        "total_minutes": sum(one.minutes for one in projections),
        "in_full_name": IN_FULL,
        "in_full": None,
    }


def described(one: Projection) -> Dict[str, Any]:
    """A projection for gpu.json, where a key is no pair."""
    steps = [
        {"full": full, "windows": windows, "count": count} for (full, windows), count in one.steps.items()
    ]
    return {**asdict(one), "steps": steps, "minutes": one.minutes}


# ---- in full ---------------------------------------------------------------------------------------


def run_in_full(words: Sequence[str], epochs: int, folder: Path) -> float:
    """Minutes that main.py takes for IN_FULL, from its start to its end.

    words:  that override the options of its script
    folder: of the run, which is new, and of what it says
    """
    said = folder / "said.txt"
    log = folder / IN_FULL / "log.jsonl"
    began = time.perf_counter()
    command = [*script_options()[IN_FULL], *words, "--output", str(log.parent)]
    process = start_main(command, said)
    try:
        with progress(None, f"{IN_FULL}, epochs", total=epochs) as bar:
            while process.poll() is None:
                time.sleep(0.1)
                finished = log.read_text(encoding="utf-8").count("\n") if log.is_file() else 0
                bar.update(finished - bar.n)
    finally:
        stop(process)
    finish(process, said)
    minutes = (time.perf_counter() - began) / 60
    recorded = read_json(log.parent / "results.json")["last"]["epoch"]
    if recorded != epochs - 1:
        raise RuntimeError(f"{IN_FULL} ended after epoch {recorded}, expected {epochs - 1}")
    return minutes
