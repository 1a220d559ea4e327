"""What gpu_check.py has found, as tables: of the record, so that what is printed was measured."""

import sys
from typing import Any, Dict, Iterable, List

from bench.table import COLUMNS, PUBLISHED_COLUMNS, row_line
from bench.workload import Row
from support.notes import counted

ANSWER = {True: "ok", False: "FAILED", None: "not tried"}
ROW_FIELDS = ("name", "batches", "images", "passes", "seconds")
GOAL_OF_ONE = 3  # minutes of a paper run on one H100 or H200
GOAL_OF_ALL = 20


def print_part(name: str, part: Dict[str, Any], has_goals: bool):
    """Its numbers, if it came to its end, and its checks.

    name:      correctness, speed or experiments
    has_goals: are its minutes to be compared with those that an H100 should take?
    """
    print(f"\n== {name} ({part['seconds']:.0f} s)")
    if name == "speed" and not part.get("failed"):
        print_speed(part)
    if name == "experiments" and not part.get("failed"):
        print_experiments(part, has_goals)
    if part["checks"]:
        print_checks(part["checks"])
    sys.stdout.flush()


def print_checks(checks: List[Dict[str, Any]]):
    """what | expected | found | ok"""
    rows = [("", "expected", "found", "")]
    rows += [(one["what"], one["expected"], one["found"], ANSWER[one["ok"]]) for one in checks]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for what, expected, found, answer in rows:
        print(f"{what:{widths[0]}}  {expected:{widths[1]}}  {answer:9}  {found}")


def print_verdict(parts: Iterable[Dict[str, Any]]):
    """Whether all is right, and which checks are not, or could not be tried."""
    checks = [one for part in parts for one in part["checks"]]
    for answer, words in ((False, "not right, see FAILED above"), (None, "not tried")):
        names = [one["what"] for one in checks if one["ok"] is answer]
        if names:
            print(f"{len(names)} of {counted(len(checks), 'check')} {words}: {'; '.join(names)}")
    if all(one["ok"] for one in checks):
        print(f"all {counted(len(checks), 'check')} are right" if checks else "nothing was to be checked")


def print_speed(part: Dict[str, Any]):
    """The benchmark's table for each setting, then every cache."""
    for table in part["tables"]:
        has_published = any("published" in row["seconds"] for row in table["rows"])
        peak = table["matmul_flops"]
        print(
            f"\n{table['setting']}: product of matrices {peak / 1e12:.3g} TFLOP/s, "
            f"memory {table['memory']:.2f} GiB at most"
        )
        heading = COLUMNS + (PUBLISHED_COLUMNS if has_published else " " * 18)
        if any("kernels" in row for row in table["rows"]):
            heading += f"{'kernels':>9}"
        if any(row.get("busy") is not None for row in table["rows"]):
            heading += f"{'GPU busy':>10}"
        print(heading.rstrip())
        for row in table["rows"]:
            line = row_line(Row(**{name: row[name] for name in ROW_FIELDS}), table["pass_flops"], peak)
            if not has_published:
                line += " " * 18
            print((line + kernels_of(row)).rstrip())
    print(f"\n{'cache':12}{'seconds to open':>17}{'images/s, training':>21}{'images/s, test':>17}")
    for row in part["loading"]:
        print(f"{row['cache']:12}{row['seconds_to_open']:17.1f}{row['training']:21.0f}{row['test']:17.0f}")
    print(f"the fastest training step takes {fastest_step(part):.0f} images/s")


def kernels_of(row: Dict[str, Any]) -> str:
    """How many a batch has, and how much of its time they run."""
    if "kernels" not in row:
        return ""
    text = f"{row['kernels']:9.0f}"
    if row["busy"] is not None:
        seconds = row["seconds"]["ours"] / row["batches"]
        text += f"{row['busy'] / seconds:10.0%}"
    return text


def fastest_step(part: Dict[str, Any]) -> float:
    """Images a second of the fastest row that trains: no cache should give fewer."""
    speeds = [0.0]
    for table in part["tables"]:
        for row in table["rows"]:
            if not row["name"].startswith("evaluation"):
                speeds.append(row["images"] / row["seconds"]["ours"])
    return max(speeds)


def print_experiments(part: Dict[str, Any], has_goals: bool):
    """Minutes of each experiment, from measured steps; those of one that was run; the sum."""
    goal = "   goal on an H100: {}" if has_goals else ""
    compiled = ", compiled" if part["compiled"] else ""
    print(f"{part['precision']}{compiled}, --cache device")
    for step in part["steps"]:
        stage = "full step" if step["full"] else "warm-up step"
        print(f"{stage + (', windows' if step['windows'] else ''):24}{1000 * step['seconds']:9.1f} ms")
    for test in part["tests"]:
        name = "test, windows" if test["windows"] else "test"
        print(f"{name:24}{1 / test['seconds_per_image']:9.0f} images/s")
    if part["kept_seconds_per_image"] is not None:
        print(f"{'test, tokens kept':24}{1 / part['kept_seconds_per_image']:9.0f} images/s")
    print(f"{'start':24}{part['start']:9.1f} s")
    print(f"{'a checkpoint':24}{part['write']:9.1f} s, after each epoch")
    print(f"\n{'':16}{'start':>8}{'steps':>8}{'tests':>8}{'writing':>9}{'minutes':>9}")
    for one in part["experiments"]:
        minutes = {name: seconds / 60 for name, seconds in one["seconds"].items()}
        print(
            f"{one['name']:16}{minutes['start']:8.2f}{minutes['steps']:8.2f}{minutes['tests']:8.2f}"
            f"{minutes['writing']:9.2f}{one['minutes']:9.2f}"
        )
    print(f"{'all six':49}{part['total_minutes']:9.2f}" + goal.format(GOAL_OF_ALL))
    if part["in_full"] is not None:
        title = f"{part['in_full_name']}, run in full"
        print(f"{title:49}{part['in_full']:9.2f}" + goal.format(GOAL_OF_ONE))
