"""The benchmark's table in several precisions, compiled or not, with what limits each of them."""

import gc
from argparse import Namespace
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Sequence

import torch

from bench.checks import Check, check
from bench.kernels import count_kernels
from bench.rows import EVALUATIONS, KEPT, STEPS
from bench.workload import Work, matmul_peak, memory, pass_flops
from dsva.kept_tokens import KeptTokens
from support.machine import use_tf32
from support.processes import progress


@dataclass(frozen=True)
class Setting:
    """How main.py computes.

    compiled: by --compile
    graphs:   compiled with CUDA graphs, which main.py does not offer
    """

    precision: str
    compiled: bool = False
    graphs: bool = False

    @property
    def name(self) -> str:
        if self.graphs:
            return f"{self.precision}, compiled with CUDA graphs"
        return f"{self.precision}, compiled" if self.compiled else self.precision


@dataclass
class Size:
    """How long it is measured.

    batches, rounds: as of benchmark.py
    matrix:          side of the matrices whose product is the peak
    """

    batches: int
    rounds: int
    matrix: int


def measure_setting(opt: Namespace, setting: Setting, rows: Sequence[str], size: Size) -> Dict[str, Any]:
    """All rows of a setting, and its peaks.

    The published order, which is never compiled, is timed beside what is not compiled either. So is the bare
    tower: a compiled one would be compiled for it once more, since other weights learn.
    """
    forget()
    is_plain = not (setting.compiled or setting.graphs)
    changed = {"precision": setting.precision, "compile": setting.compiled}
    work = Work(Namespace(**{**vars(opt), **changed}), size.batches, with_published=is_plain)
    if setting.graphs:
        work.model.tower.compile(mode="reduce-overhead")
    facts: Dict[str, Any] = {
        "setting": setting.name,
        "pass_flops": pass_flops(work.model.tower.config),
        "matmul_flops": matmul_peak(work.device, setting.precision, size.matrix),
        "rows": [],
        "problems": [],
    }
    count = is_plain or work.device.type == "cuda"
    for name in progress(rows, setting.name):
        problems = measure_row(work, name, size.rounds, facts["rows"], is_plain, count)
        facts["problems"] += [asdict(problem) for problem in problems]
    facts["memory"] = memory(work.device)
    return facts


def measure_row(
    work: Work, name: str, rounds: int, rows: List[dict], with_tower: bool, count: bool
) -> List[Check]:
    """Add a row of the table. Returns what went wrong: nothing, or one check that failed.

    with_tower: time the bare tower beside it;  count: count its kernels
    """

    def program():
        row = asdict(work.measure(name, rounds, alone=not with_tower))
        rows.append(row)
        kernels = count_kernels(one_batch(work, name), work.device) if count else None
        if kernels and kernels.launched:  # a machine may not let a profiler see any
            row["kernels"] = kernels.launched
            row["busy"] = kernels.busy
        return "measured", True

    outcome = check(f"time of {name}", "measured", program)
    return [] if outcome.ok else [outcome]


def one_batch(work: Work, name: str):
    """Ours alone, on the first batch: a profile of many takes long to read."""
    if name in STEPS:
        return work.steps(work.model, *STEPS[name], batches=work.training[:1])
    kept = KeptTokens(work.device) if name == KEPT else None
    return work.evaluation(work.model, EVALUATIONS[name], work.testing[:1], kept)


def forget():
    """Free what the last setting has left: its memory, TF32, and compiled code."""
    use_tf32(False)
    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
