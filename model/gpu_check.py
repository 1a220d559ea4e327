"""Everything that waits for a GPU, in one command: is it right, how fast is it, how long do experiments take?

    python model/gpu_check.py                       about 10 minutes on one GPU
    python model/gpu_check.py --parts correctness   one part alone
    python model/gpu_check.py --small               the same with a tiny tower, for a machine without a GPU

All is generated: pictures, weights, a dataset as large as RSSDIVCS. Exit code 1 if something is not right.
"""
# ruff: noqa: E402, since --help is answered, and a variable set, before torch is imported

import os
import time

BEGAN = time.perf_counter()
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as main.py does

from bench.rows import EVALUATIONS, SIZES, STEPS
from support.cli import REPOSITORY, WORKERS, Help, Parser, number, path

PARTS = ("correctness", "speed", "experiments")
SMALL = {  # --small sets these
    "width": 32,
    "layers": 2,
    "heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "images": 280,
    "classes": 14,
    "per_class": 8,
    "workers": 0,
    "episodes": 2,
    "batches": 1,
    "rounds": 1,
    "steps": 2,
    "matrix": 512,
    "without_compiler": True,
}
SMALL_TRAINING = "--ways 4 --shots 2 --batch_size 32".split()
SMALL_EXPERIMENTS = [*SMALL_TRAINING, *"--nepoch 2 --n_batch 2 --pretrain_epoch 0".split()]
LOADED_EPISODES = 300  # an epoch of the published experiments


def get_parser() -> Parser:
    parser = Parser(
        prog="gpu_check.py",
        allow_abbrev=False,
        formatter_class=Help,
        description="Is it right on this device, how fast is it, how long do the published experiments take? "
        "On one current GPU it should take 10 minutes: correctness 3, speed 4, experiments 3. An interrupted "
        "check goes on with the part that it was at.",
    )
    count = number(int, 1)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        metavar="PART",
        help="what to do: " + " ".join(PARTS) + " (default: all)",
    )
    parser.add_argument(
        "--small", action="store_true", help="a tiny tower and tiny data, in a minute on a CPU: a rehearsal"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--output",
        type=path,
        default=str(REPOSITORY / "runs" / "gpu_check"),
        metavar="FOLDER",
        help="of gpu.json, of the experiment that is run in full, and meanwhile of 2 GB of generated data "
        "(default: runs/gpu_check)",
    )
    parser.add_argument(
        "--precision",
        choices=["fp32", "tf32", "bf16"],
        default="bf16",
        help="of the experiments. Correctness and speed have all three",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="the experiments' towers are compiled. Only the one that is run in full counts all the seconds "
        "of the compiler",
    )
    parser.add_argument(
        "--without_compiler",
        action="store_true",
        help="leave compiled towers out of correctness and speed, as --small does: it saves two minutes",
    )
    parser.add_argument(
        "--cuda_graphs",
        action="store_true",
        help="speed also of a tower compiled with CUDA graphs, which main.py does not offer: another minute",
    )
    data = parser.add_argument_group("sizes")
    data.add_argument("--images", type=number(int, 1), default=56000, help="of the experiments and caches")
    data.add_argument("--classes", type=number(int, 14), default=70, help="every seventh of them unseen")
    data.add_argument(
        "--per_class", type=number(int, 8), default=16, help="images of a class, in all that is not loading"
    )
    for name, size in SIZES.items():
        data.add_argument(f"--{name}", type=count, default=size, help="of the tower")
    data.add_argument("--workers", type=number(int, 0), default=WORKERS, help="processes that decode images")
    effort = parser.add_argument_group("effort")
    effort.add_argument(
        "--episodes", type=count, default=8, help="of an epoch in the trainings of correctness"
    )
    effort.add_argument("--batches", type=count, default=8, help="of a step's or an evaluation's round")
    effort.add_argument("--rounds", type=count, default=3, help="whose median is taken, after one to warm up")
    effort.add_argument(
        "--steps", type=count, default=60, help="of each kind that is measured for the experiments"
    )
    effort.add_argument(
        "--matrix", type=count, default=8192, help="side of the matrices whose product is the peak"
    )
    return parser


if __name__ == "__main__":
    get_parser().start()

import io
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Dict

import torch

from bench.check_tables import print_part, print_verdict
from bench.checks import Program, check
from bench.episode import compare_episode
from bench.experiments import IN_FULL, measure, project, read_experiments, run_in_full, summary
from bench.full_data import check_full_room, write_full_data
from bench.generated import generate
from bench.loading import measure_loading
from bench.record import Record, remove
from bench.runs_of_main import Trainings, check_trainings
from bench.speed import Setting, Size, forget, measure_setting
from bench.suite import check_suite
from support.errors import exits_cleanly
from support.machine import circumstances, device_name, pick_device, use_deterministic_algorithms

IMPORTS = time.perf_counter() - BEGAN  # seconds; those of main.py are nearly the same


@exits_cleanly
def main(arguments=None):
    opt = get_check_options(arguments)
    device = pick_device(opt.device)
    use_deterministic_algorithms()  # as main.py does
    output = Path(opt.output)
    large = set(opt.parts) & {"speed", "experiments"}
    facts = {**circumstances(), "device": device_name(device)}
    record = Record(output, facts, {**vars(opt), "parts": None, "output": None})
    if large and not all(map(record.is_done, large)):
        check_full_room(opt, output, device)
    print(f"{facts['device']}; {facts['machine']}")
    print(", ".join(f"{name} {version}" for name, version in facts["versions"].items()), flush=True)
    is_real = device.type == "cuda" and not opt.small
    if not is_real:
        why = "a tiny tower and tiny data" if opt.small else "there is no GPU here"
        print(f"a rehearsal: {why}. Its seconds say nothing of a GPU; what is right and wrong counts")
    record.begin(opt.parts)
    with record.generated() as folder:
        data = Data(opt, folder)
        programs = {
            "correctness": lambda: correctness(opt, data, device),
            "speed": lambda: speed(opt, data, device),
            "experiments": lambda: experiments(opt, data, device, record.folder),
        }
        for part in opt.parts:
            if not record.is_done(part):
                record.add(part, attempt(part, programs[part]))
            print_part(part, record.parts[part], has_goals=is_real)
    record.finish()
    print(f"\nall numbers in {record.file}")
    print_verdict([record.parts[part] for part in opt.parts])
    if not all(is_right(record.parts[part]) for part in opt.parts):
        sys.exit(1)


def get_check_options(arguments) -> Namespace:
    """--small sets other defaults; what is given holds all the same."""
    parser = get_parser()
    if parser.parse_args(arguments).small:
        parser.set_defaults(**SMALL)
    opt = parser.parse_args(arguments)
    opt.parts = [part for part in PARTS if part in opt.parts]
    if opt.images < opt.classes * 8:
        parser.error(f"--images {opt.images}: expected at least 8 of each of the {opt.classes} classes")
    return opt


def is_right(part: dict) -> bool:
    return all(one["ok"] is not False for one in part["checks"])


def attempt(part: str, program) -> dict:
    """What a part has found. An error ends this part alone."""
    found = {}

    def run():
        found.update(program())
        return "done", True

    began = time.perf_counter()
    with redirect_stdout(io.StringIO()):  # lines of main.py's, such as those of its caches
        outcome = check(part, "done", run)
    if not outcome.ok:
        found = {"checks": [asdict(outcome)], "failed": True}
    return {**found, "seconds": time.perf_counter() - began}


class Data:
    """What is generated, in a folder: made when a part asks for it, and once for all parts."""

    def __init__(self, opt: Namespace, folder: Path):
        self.sizes = opt
        self.folder = folder
        self.options = ["--workers", str(opt.workers), "--device", opt.device, "--use_group"]
        if opt.small:
            self.options += SMALL_TRAINING

    @cached_property
    def few(self) -> Namespace:
        """Options of a training on a few images of each class."""
        folder = self.folder / "few"
        opt = generate(self.sizes, folder, self.sizes.per_class, self.options)
        return Namespace(**{**vars(opt), "n_batch": max(self.sizes.episodes, self.sizes.batches)})

    @cached_property
    def full(self) -> Namespace:
        """The same on as many images as RSSDIVCS has, which are decoded already."""
        opt = write_full_data(self.sizes, self.folder / "full", self.options)
        return Namespace(
            **{**vars(opt), "n_batch": self.sizes.steps if self.sizes.small else LOADED_EPISODES}
        )


# ---- the parts -------------------------------------------------------------------------------------


def correctness(opt: Namespace, data: Data, device: torch.device) -> dict:
    """Tests on the device; an episode here and on the CPU; trainings of main.py."""
    checks = check_suite(data.folder, device, opt.small)
    checks += compare_episode(data.few, device, compiled=not opt.without_compiler)
    forget()
    tower = {name: getattr(opt, name) for name in SIZES}
    trainings = Trainings(data.few, tower, data.folder / "trainings", device)
    precisions = ["fp32"] if opt.small else list(dict.fromkeys(["fp32", opt.precision]))
    checks += check_trainings(trainings, precisions)
    return {"checks": [asdict(one) for one in checks]}


def speed(opt: Namespace, data: Data, device: torch.device) -> dict:
    """The benchmark's table in every precision, and every cache."""
    settings = [Setting("bf16"), Setting("tf32"), Setting("fp32")]
    if not opt.without_compiler:
        settings.append(Setting("bf16", compiled=True))
    if opt.cuda_graphs:
        settings.append(Setting("bf16", graphs=True))
    size = Size(opt.batches, opt.rounds, opt.matrix)
    found: dict = {"tables": [], "loading": [], "checks": []}

    def measure_table(setting: Setting):
        is_plain = not (setting.compiled or setting.graphs)
        rows = [*STEPS, *EVALUATIONS] if is_plain else ["full", "evaluation"]
        table = measure_setting(data.few, setting, rows, size)
        found["tables"].append(table)
        found["checks"] += table["problems"]
        return "measured", True

    def measure_caches():
        found["loading"] += [asdict(row) for row in measure_loading(data.full, device)]
        return "measured", True

    programs: Dict[str, Program] = {}
    for setting in settings:
        programs[f"speed of {setting.name}"] = partial(measure_table, setting)
    programs["speed of every --cache"] = measure_caches
    for what, program in programs.items():
        found["checks"] += problems_of(what, program)
        forget()
    return found


def problems_of(what: str, program) -> list:
    """Of something that should be measured: nothing, or what went wrong."""
    outcome = check(what, "measured", program)
    return [] if outcome.ok else [asdict(outcome)]


def experiments(opt: Namespace, data: Data, device: torch.device, folder: Path) -> dict:
    """All six from measured steps, and one in full."""
    full = data.full
    where = ["--root", full.root, "--clip", full.clip, "--cache", "device", "--cache_dir", full.cache_dir]
    where += ["--device", str(device), "--workers", str(opt.workers), "--precision", opt.precision]
    if opt.compile:
        where.append("--compile")
    changes = SMALL_EXPERIMENTS if opt.small else []
    each = read_experiments(where, changes)
    measured = measure(each, opt.steps, IMPORTS, data.folder)
    forget()
    projections = [project(name, one, measured) for name, one in each.items()]
    found = summary(measured, projections)

    def in_full():
        epochs = each[IN_FULL].nepoch
        found["in_full"] = run_in_full([*where, *changes], epochs, folder / "in_full")
        projected = found["minutes"][IN_FULL]
        return f"{found['in_full']:.2f} minutes, projected {projected:.2f}", True

    remove(folder / "in_full")
    one = check(f"{IN_FULL}, run in full", "all its epochs", in_full)
    return {**found, "precision": opt.precision, "compiled": opt.compile, "checks": [asdict(one)]}


if __name__ == "__main__":
    main()
