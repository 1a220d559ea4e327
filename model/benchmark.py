"""Speed against the machine's own limit: the passes of the CLIP tower, which nothing can leave out.

    python model/benchmark.py                                 ViT-B/32 of random weights, on random pictures
    python model/benchmark.py --precision bf16 --clip FOLDER  with any options of main.py
    python model/benchmark.py --as_published                  beside it, the published program's order

Ours, the bare tower and the published order alternate on the same tensors, so that noise strikes all alike.
"""
# ruff: noqa: E402, since --help is answered, and a variable set, before torch is imported

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as main.py does

from argparse import Namespace

from bench.rows import ROWS, SIZES
from support.cli import Help, Parser, number, path


def get_parser() -> Parser:
    parser = Parser(
        prog="benchmark.py",
        allow_abbrev=False,
        formatter_class=Help,
        description="Times the parts of a training against the bare CLIP tower. "
        "All other options are those of main.py.",
    )
    count = number(int, 1)
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=ROWS,
        default=list(ROWS),
        metavar="ROW",
        help="what to measure: " + " ".join(ROWS) + " (default: all)",
    )
    parser.add_argument(
        "--as_published",
        action="store_true",
        help="also time the order of the published program, and check that the losses are the same",
    )
    parser.add_argument("--rounds", type=count, default=5, help="whose median is taken, after one to warm up")
    parser.add_argument("--batches", type=count, default=2, help="of a step's or an evaluation's round")
    parser.add_argument("--json", type=path, metavar="FILE", help="write down everything")
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=count, default=size, help="of the tower")
    parser.add_argument("--classes", type=number(int, 14), default=70, help="every seventh of them unseen")
    parser.add_argument("--per_class", type=number(int, 8), default=16, help="images of a class")
    parser.add_argument(
        "--start_up",
        type=number(int, 0),
        default=56000,
        metavar="IMAGES",
        help="of the dataset that the start is timed with; 0 leaves it out",
    )
    parser.add_argument(
        "--matrix", type=count, default=4096, help="side of the matrices whose product is the peak"
    )
    return parser


if __name__ == "__main__":
    get_parser().start()

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import List, Tuple

from bench.generated import generate
from bench.table import COLUMNS, PUBLISHED_COLUMNS, row_line
from bench.workload import Work, matmul_peak, memory, pass_flops
from support.errors import exits_cleanly
from support.files import write_json
from support.machine import circumstances, device_name
from support.processes import progress


@exits_cleanly
def main(arguments=None):
    sizes, options = get_benchmark_options(arguments)
    with TemporaryDirectory() as folder:
        opt = generate(sizes, Path(folder) / "small", sizes.per_class, options)
        work = Work(opt, sizes.batches, sizes.as_published)
        facts = {
            **circumstances(),
            "device": device_name(work.device),
            "pass_flops": pass_flops(work.model.tower.config),
            "matmul_flops": matmul_peak(work.device, opt.precision, sizes.matrix),
        }
        print_head(facts, opt, sizes)
        rows = []
        for name in progress(sizes.rows, "rows"):
            rows.append(work.measure(name, sizes.rounds))
            print(row_line(rows[-1], facts["pass_flops"], facts["matmul_flops"]).rstrip(), flush=True)
        facts["memory"] = memory(work.device)
        if sizes.start_up:
            large = generate(sizes, Path(folder) / "large", sizes.start_up // sizes.classes, options)
            facts.update(start_up(large))
    print_tail(facts, sizes)
    if sizes.json:
        record = {**facts, "sizes": vars(sizes), "options": vars(opt), "rows": [asdict(row) for row in rows]}
        write_json(Path(sizes.json), record)


def get_benchmark_options(arguments) -> Tuple[Namespace, List[str]]:
    """Our own, and what is left for main.py."""
    return get_parser().parse_known_args(arguments)


def start_up(opt: Namespace) -> dict:
    """Seconds from nothing to the first step: of Python and its libraries, and from the options on."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import main"], cwd=Path(__file__).parent, check=True)
    imported = time.perf_counter()
    work = Work(opt, batches=1, with_published=False)
    step = work.steps(work.model, full=False, windows=False)
    step()
    return {"seconds_of_imports": imported - began, "seconds_to_first_step": time.perf_counter() - imported}


def print_head(facts: dict, opt: Namespace, sizes: Namespace):
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    print(f"{facts['device']}; {versions}; {opt.precision}")
    print(
        f"{facts['pass_flops'] / 1e9:.2f} GFLOP an image and pass; "
        f"product of matrices {facts['matmul_flops'] / 1e12:.3g} TFLOP/s"
    )
    print(COLUMNS + (PUBLISHED_COLUMNS if sizes.as_published else ""))


def print_tail(facts: dict, sizes: Namespace):
    print(f"memory {facts['memory']:.2f} GiB at most")
    if sizes.start_up:
        print(
            f"start with {sizes.start_up} images: {facts['seconds_of_imports']:.1f} s to import, "
            f"{facts['seconds_to_first_step']:.1f} s from the options to the first step done"
        )


if __name__ == "__main__":
    main()
