"""What a run says: its circumstances, a line an epoch, its results."""

from typing import Any, List, Mapping, Sequence

import numpy as np

from dsva.protocol import ENOUGH_CLASSES
from runs.options import get_parser
from runs.records import EPOCHS, is_tested
from support.machine import circumstances
from support.notes import counted

WIDTH = 100  # letters of a line
# How a score is shown; those that are not here are in the files only.
LABELS = {"accuracy": "", "U": "U ", "S": "S ", "H": "H "}


def print_options(run, device):
    """Folder, commit, versions and options of a run."""
    facts = circumstances()
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    print(f"run     {run.folder}")
    print(f"commit  {facts['git']}")
    print(f"with    {versions}; {device}")
    print(wrapped("options ", changed_options(run.options)))
    print("        all others have their defaults; options.json has all of them")
    if run.checkpoint:
        print(f"going on from {run.checkpoint}, epoch {run.epoch}")


def changed_options(options: Mapping[str, Any]) -> List[str]:
    """Those that are not as main.py has them by default, and play a part, NAME=VALUE."""
    parser = get_parser()
    changed = []
    for name, value in sorted(options.items()):
        if value == parser.get_default(name):
            continue
        never = name == "pro_start_epoch" and value >= options["nepoch"] - 1  # windows do not come
        if not never:
            changed.append(f"{name}={value}")
    return changed


def wrapped(head: str, words: Sequence[str]) -> str:
    """Words in lines of WIDTH letters, below each other behind the head."""
    lines = [head]
    for word in words:
        if len(lines[-1]) + len(word) > WIDTH and lines[-1].strip():
            lines.append(" " * len(head))
        lines[-1] += f"{word}  "
    return "\n".join(line.rstrip() for line in lines)


def print_data(data, part, gzsl, xe_pro):
    """part: the split that is trained on;  xe_pro: weight of the windows' own cross entropy"""
    train, test_seen = data.splits[part], data.splits["test_seen_loc"]
    print(
        f"data    {len(data.seen)} seen and {counted(len(data.unseen), 'unseen class', 'unseen classes')}, "
        f"{counted(len(data.class_attributes), 'attribute')} in {counted(len(data.groups), 'group')}; "
        f"{counted(len(train), 'training image')}, "
        f"{counted(len(data.splits['test_unseen_loc']), 'unseen test image')}"
    )
    print(f"unseen  {', '.join(data.class_names[c] for c in data.unseen)}")
    grouped = {a for group in data.groups.values() for a in group}
    alone = [name for a, name in enumerate(data.attribute_names) if a not in grouped]
    if alone:
        print(
            f"note: in no attribute group: {', '.join(alone)}. "
            "They have no say in windows, and --use_group leaves them out"
        )
    both = len(np.intersect1d(train, test_seen))
    if gzsl and both:
        print(
            f"note: {both} of the {len(test_seen)} seen test images are trained on ({part}), "
            "as in the published runs: S and H are not those of unknown images"
        )
    if xe_pro:
        print(
            "note: --xe_pro weighs the windows' own cross entropy; "
            "the published program gave it the weight 0 whatever the option"
        )


def print_changed(files):
    """files: those that are not as a saved model recorded them"""
    for file in files.values():
        print(f"note: {file} is not the one that this model was trained with")


def print_epoch(line, run):
    """A line: losses and, if it was tested, scores of every branch and the best epoch so far."""
    stage = line["stage"] + (" + windows" if line["windows"] else "")
    best = run.best()
    seconds = sum(line["seconds"].values())
    words = f"epoch {line['epoch']:2d}  {stage:17}  loss {line['loss']:7.4f}  "
    if is_tested(line):
        words += f"{show(line['scores'])}  |  "
        words += f"best {run.branch(best)} {show_one(run.scores(best))} (epoch {best['epoch']})  "
    print(f"{words}{seconds:.0f} s", flush=True)


def print_scores(scores, branch):
    """Of an evaluation."""
    print(show(scores))
    print(f"selected branch, {branch}: {show_one(scores[branch])}")


def print_choosing(folds, gzsl):
    """Which classes play the unseen ones.  folds: the benchmark of each validation training"""
    names = [", ".join(played.class_names[c] for c in played.unseen) for played in folds]
    print(f"choosing on the training images alone: {'; then '.join(names)} play the unseen classes")
    print("        the scores that follow choose, and are no result")
    seen = len(folds[0].seen) + len(folds[0].unseen)
    playing = len(np.unique(np.concatenate([played.unseen for played in folds])))
    if playing < ENOUGH_CLASSES:
        print_fragile(playing, seen, gzsl)
    if not gzsl and len(folds[0].unseen) == 1:
        print(
            "note: one class alone is always named rightly, so that the first epoch is chosen: "
            "--validation_classes 2 can tell epochs apart"
        )


def print_fragile(playing, seen, gzsl):
    """A choice on so few of the seen classes is worth little."""
    chosen = "the epoch and the calibration constant" if gzsl else "the epoch"
    advice = f"there are only {seen} seen classes"
    if seen >= ENOUGH_CLASSES:
        advice = "--validation_folds 3 takes the mean of three trainings in which different classes play"
    print(
        f"note: unseen classes are played by {playing} of {seen} seen ones, too few to choose {chosen} well: "
        f"{advice}"
    )


def print_fold(number, folds, played):
    """Which of several validation trainings begins."""
    if folds > 1:
        names = ", ".join(played.class_names[c] for c in played.unseen)
        print(f"validation training {number} of {folds}: {names}")


def print_choice(chosen, branch, folds):
    """What the clean protocol chose."""
    constant = chosen["calibrated_stacking"]
    words = f", calibration constant {constant:.3g}" if constant else ""
    mean = f", mean of {folds} trainings" if folds > 1 else ""
    print(
        f"chosen: epoch {chosen['epoch']}{words} "
        f"({branch} {chosen['score']:.2f} on the classes played{mean}); the training itself:"
    )


def print_results(results, run):
    """The epochs that count, and how they were chosen."""
    for name, how in EPOCHS.items():
        if name in results:
            line = results[name]
            shown = show_one(run.scores(line))
            print(f"{name:5} epoch {line['epoch']:2d}: {run.branch(line)} {shown}  ({how})")
    if "clean" not in results:
        print("clean epoch  -: --protocol clean chooses one, in twice the time or more")
    print(f"chance among the unseen classes: {results['chance']:.2f}")
    print(f"results in {run.folder}")


def print_summary(summary, folder):
    """Mean and deviation over several runs."""
    print(f"\nmean and deviation of {counted(summary['runs'], 'run')}")
    for name in EPOCHS:
        for branch, scores in summary.get(name, {}).items():
            words = [f"{score} {mean:.1f} ± {deviation:.1f}" for score, (mean, deviation) in scores.items()]
            print(f"{name:5} {branch:10} " + "  ".join(words))
    print(f"results in {folder}")


def show(scores) -> str:
    """Scores of every branch, in one line."""
    return "  ".join(f"{branch} {show_one(values)}" for branch, values in scores.items())


def show_one(values) -> str:
    """Scores of one branch."""
    return " ".join(f"{LABELS[name]}{value:5.2f}" for name, value in values.items() if name in LABELS)
