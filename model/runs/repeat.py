"""A recorded run, done again (`main.py --repeat RESULTS`): what was recorded, what is different now, and whether the numbers agree."""

import math
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from runs.records import EPOCHS, is_epoch
from support.errors import InputError
from support.files import read_json
from support.resumable import changed


def read_results(file: Path) -> dict:
    """The results.json of a run, or of several divisions and seeds."""
    results = read_json(Path(file))
    try:
        sound = all(
            isinstance(run.get(part, {}), dict)
            for run in runs_in(results).values()
            for part in ("options", "files", "versions")
        ) and all(
            is_epoch(run[epoch])
            for run in runs_in(results).values()
            for epoch in EPOCHS
            if epoch in run or epoch == "last"
        )
    except (KeyError, TypeError, AttributeError):
        sound = False
    if not sound or "options" not in results or not runs_in(results):
        raise InputError(
            f"--repeat {file}: expected the results.json of a finished run of main.py, with its options"
        )
    for run in runs_in(results).values():
        if run.get("resume"):
            raise InputError(
                f"--repeat {file}: this run went on from {run['resume']}; repeat the run before it, and then this one by its own command"
            )
    return results


def runs_in(results: Mapping) -> Dict[str, dict]:
    """{"division-0_seed-1": its results, ...}, or {"": the results} of a run by itself."""
    return results.get("runs", {"": results})


def folder_of_repetition(file: Path, output: Optional[str]) -> str:
    """A folder without results: the given one, or that of the file with -repeat, -repeat-2, ... An interrupted repetition goes on in its own."""
    first = Path(output) if output else Path(file).parent.with_name(f"{Path(file).parent.name}-repeat")
    if output and (first / "results.json").is_file():
        raise InputError(
            f"{first} holds a finished run: nothing would be repeated there; name another --output"
        )
    folder, number = first, 1
    while (folder / "results.json").is_file():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return str(folder)


def print_differences(recorded: Mapping, now: Mapping[str, Mapping]):
    """One line, if anything is not as it was.  now: of each part its "options", "files", "versions", "device" and "git" """
    if runs_in(recorded).keys() != now.keys():
        raise InputError(
            f"--repeat does all of it again ({', '.join(runs_in(recorded))}): leave out --random_id, --seeds and --manualSeed"
        )
    different = {
        words: None for part, run in runs_in(recorded).items() for words in differences(run, now[part])
    }
    if different:
        print(f"note: not as recorded, so that the numbers may differ: {', '.join(different)}")


def differences(recorded: Mapping, now: Mapping) -> List[str]:
    old, new = (
        {**run.get("versions", {}), **{name: run[name] for name in ("device", "git") if name in run}}
        for run in (recorded, now)
    )
    return (
        [f"--{name}" for name in changed(recorded["options"], now["options"])]
        + changed(recorded.get("files", {}), now["files"])
        + [f"{name} {new[name]} instead of {old[name]}" for name in changed(old, new)]
    )


def agrees(recorded: Mapping, repeated: Mapping) -> bool:
    """Say score by score whether the repetition has the recorded numbers."""
    again, gaps = runs_in(repeated), []
    for part, run in runs_in(recorded).items():
        for epoch in EPOCHS:
            old, new = numbers(run.get(epoch)), numbers(again[part].get(epoch))
            names = list({**old, **new})
            gaps += [abs(new.get(name, math.inf) - old.get(name, 0)) for name in names]
            if names:
                words = (
                    f"{name} {old.get(name, '-')}"
                    + ("" if old.get(name) == new.get(name) else f", now {new.get(name, '-')}")
                    for name in names
                )
                print(f"{part} {epoch:5} ".lstrip() + "  ".join(words))
    wrong = sum(gap != 0 for gap in gaps)
    print(
        f"{wrong} of {len(gaps)} numbers differ, by {max(gaps):.3g} at most"
        if wrong
        else f"all {len(gaps)} numbers agree exactly"
    )
    return not wrong


def numbers(line: Optional[Mapping]) -> Dict[str, float]:
    """{"epoch": 3, "attention H": 41.2, ...} of an epoch's log line."""
    return (
        {
            "epoch": line["epoch"],
            **{
                f"{branch} {score}": value
                for branch, scores in line["scores"].items()
                for score, value in scores.items()
            },
        }
        if line
        else {}
    )
