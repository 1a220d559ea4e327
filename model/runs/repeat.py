"""A recorded run, done again: `main.py --repeat RESULTS`.

What was recorded, what is different now, and whether the numbers agree. Nothing here imports torch.
"""

import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from runs.records import EPOCHS, is_epoch, is_tested, read_results
from support.errors import InputError
from support.resumable import changed


def results_to_repeat(file: str) -> dict:
    """The results.json of a run, or of several divisions and seeds. Raises InputError if it is none."""
    results = read_results(Path(file))
    if not are_results(results):
        raise InputError(
            f"--repeat {file}: expected the results.json of a finished run of main.py, with its options"
        )
    for run in runs_in(results).values():
        if run.get("resume"):
            raise InputError(
                f"--repeat {file}: this run went on from {run['resume']}; "
                "repeat the run before it, and then this one by its own command"
            )
    return results


def are_results(results: Any) -> bool:
    """Are these the results of one finished run or of several, with their options?"""
    if not isinstance(results, dict) or not isinstance(results.get("options"), dict):
        return False
    runs = runs_in(results)
    return isinstance(runs, dict) and bool(runs) and all(is_result(run) for run in runs.values())


def is_result(run: Any) -> bool:
    """Has it options, files and versions by name, and a tested line of each epoch, the last at least?"""
    if not isinstance(run, dict) or "last" not in run:
        return False
    if not all(isinstance(run.get(part, {}), dict) for part in ("options", "files", "versions")):
        return False
    lines = [run[epoch] for epoch in EPOCHS if epoch in run]
    return all(is_epoch(line) and is_tested(line) for line in lines)


def runs_in(results: Mapping[str, Any]) -> Dict[str, dict]:
    """{"division-0_seed-1": its results, ...}, or {"": the results} of a run by itself."""
    return results.get("runs", {"": results})


def folder_of_repetition(file: str, output: Optional[str]) -> str:
    """A folder without results: the given one, or that of the file with -repeat, -repeat-2, ...

    An interrupted repetition goes on in its own.
    """
    recorded = Path(file).parent
    first = Path(output) if output else recorded.with_name(f"{recorded.name}-repeat")
    if output and (first / "results.json").is_file():
        raise InputError(
            f"{first} holds a finished run: nothing would be repeated there; name another --output"
        )
    folder, number = first, 1
    while (folder / "results.json").is_file():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return str(folder)


def print_differences(recorded: Mapping[str, Any], now: Mapping[str, Mapping]):
    """One line, if anything is not as it was.

    now: of each part its "options", "files", "versions", "device" and "git"
    """
    runs = runs_in(recorded)
    if runs.keys() != now.keys():
        raise InputError(
            f"--repeat does all of it again ({', '.join(runs)}): "
            "leave out --random_id, --seeds and --manualSeed"
        )
    different: List[str] = []
    for part, run in runs.items():
        different += differences(run, now[part])
    if different:
        words = ", ".join(dict.fromkeys(different))  # each of them one time
        print(f"note: not as recorded, so that the numbers may differ: {words}")


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> List[str]:
    """What is not as recorded: "--xe", "splits_mat", "torch 2.14.1 instead of 2.1.0", ..."""
    old, new = circumstances_in(recorded), circumstances_in(now)
    options = [f"--{name}" for name in changed(recorded["options"], now["options"])]
    files = changed(recorded.get("files", {}), now["files"])
    versions = [f"{name} {new[name]} instead of {old[name]}" for name in changed(old, new)]
    return options + files + versions


def circumstances_in(run: Mapping[str, Any]) -> Dict[str, Any]:
    """Versions of libraries, device and commit."""
    found = dict(run.get("versions", {}))
    for name in ("device", "git"):
        if name in run:
            found[name] = run[name]
    return found


def agrees(recorded: Mapping[str, Any], repeated: Mapping[str, Any]) -> bool:
    """Say score by score whether the repetition has the recorded numbers."""
    again = runs_in(repeated)
    gaps: List[float] = []
    for part, run in runs_in(recorded).items():
        for epoch in EPOCHS:
            old, new = numbers(run.get(epoch)), numbers(again[part].get(epoch))
            names = list({**old, **new})
            gaps += [abs(new.get(name, math.inf) - old.get(name, 0)) for name in names]
            if names:
                words = "  ".join(comparison(name, old, new) for name in names)
                print(f"{part} {epoch:5} ".lstrip() + words)
    wrong = sum(gap != 0 for gap in gaps)
    if wrong:
        print(f"{wrong} of {len(gaps)} numbers differ, by {max(gaps):.3g} at most")
    else:
        print(f"all {len(gaps)} numbers agree exactly")
    return not wrong


def comparison(name: str, old: Mapping[str, float], new: Mapping[str, float]) -> str:
    """ "attention H 41.2", or "attention H 41.2, now 41.3" """
    words = f"{name} {old.get(name, '-')}"
    return words if old.get(name) == new.get(name) else f"{words}, now {new.get(name, '-')}"


def numbers(line: Optional[Mapping[str, Any]]) -> Dict[str, float]:
    """{"epoch": 3, "attention H": 41.2, ...} of an epoch's line."""
    if not line:
        return {}
    found = {"epoch": line["epoch"]}
    for branch, scores in line["scores"].items():
        for score, value in scores.items():
            found[f"{branch} {score}"] = value
    return found
