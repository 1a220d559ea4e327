"""What a run says: its circumstances, a line an epoch, its results."""

import numpy as np

from runs.folder import EPOCHS
from runs.protocol import training_part
from support.machine import circumstances

COLUMNS = {
    "accuracy": "",
    "U": "U ",
    "S": "S ",
    "H": "H ",
    "AUSUC": None,
    "ZSL": None,
}  # how a score is shown, None: in the files only


def print_options(run, device):
    facts = circumstances()
    print(f"run     {run.folder}")
    print(f"commit  {facts['git']}")
    print(f"with    {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}; {device}")
    print("options " + "  ".join(f"{name}={value}" for name, value in sorted(run.options.items())))
    if run.checkpoint:
        print(f"going on from {run.checkpoint}, epoch {run.epoch}")


def print_data(opt, data):
    train, test_seen = data.splits[training_part(opt)], data.splits["test_seen_loc"]
    print(
        f"data    {len(data.seen)} seen and {len(data.unseen)} unseen classes, {len(data.class_attributes)} attributes in "
        f"{len(data.groups)} groups; {len(train)} training images, {len(data.splits['test_unseen_loc'])} unseen test images"
    )
    print(f"unseen  {', '.join(data.class_names[c] for c in data.unseen)}")
    grouped = {a for group in data.groups.values() for a in group}
    alone = [name for a, name in enumerate(data.attribute_names) if a not in grouped]
    if alone:
        print(
            f"note: in no attribute group: {', '.join(alone)}. They have no say in windows, and --use_group leaves them out"
        )
    both = len(np.intersect1d(train, test_seen))
    if opt.gzsl and both:
        print(
            f"note: {both} of the {len(test_seen)} seen test images are trained on ({training_part(opt)}), as in the published runs: "
            "S and H are not those of unknown images"
        )
    if opt.xe_pro:
        print(
            "note: --xe_pro weighs the windows' own cross entropy; the published program gave it the weight 0 whatever the option"
        )


def print_changed(files):
    for file in files.values():
        print(f"note: {file} is not the one that this model was trained with")


def print_epoch(line, run):
    stage = line["stage"] + (" + windows" if line["windows"] else "")
    best = run.best()
    seconds = sum(line["seconds"].values())
    print(
        f"epoch {line['epoch']:2d}  {stage:17}  loss {line['loss']:7.4f}  {show(line['scores'])}  |  "
        f"best {run.branch} {show_one(best['scores'][run.branch])} (epoch {best['epoch']})  {seconds:.0f} s",
        flush=True,
    )


def print_scores(scores, branch):
    print(show(scores))
    print(f"selected branch, {branch}: {show_one(scores[branch])}")


def print_choosing(tried):
    print(
        f"choosing on the training images alone: {', '.join(tried.class_names[c] for c in tried.unseen)} play the unseen classes"
    )


def print_choice(chosen, trial):
    constant = (
        f", calibration constant {chosen['calibrated_stacking']:.3g}" if chosen["calibrated_stacking"] else ""
    )
    print(
        f"chosen: epoch {chosen['epoch']}{constant} ({trial.branch} {chosen['score']:.2f} on the classes played); the training itself:"
    )


def print_results(results, run):
    for name, how in EPOCHS.items():
        if name in results:
            print(
                f"{name:5} epoch {results[name]['epoch']:2d}: {run.branch} {show_one(results[name]['scores'][run.branch])}  ({how})"
            )
    if "clean" not in results:
        print("clean epoch  -: --protocol clean chooses one, in twice the time")
    print(f"chance among the unseen classes: {results['chance']:.2f}")
    print(f"results in {run.folder}")


def print_summary(summary, folder):
    print(f"\nmean and deviation of {summary['runs']} runs")
    for name in EPOCHS:
        if name in summary:
            for branch, scores in summary[name].items():
                print(
                    f"{name:5} {branch:9} "
                    + "  ".join(
                        f"{score} {mean:.1f} +- {deviation:.1f}"
                        for score, (mean, deviation) in scores.items()
                    )
                )
    print(f"results in {folder}")


def show(scores) -> str:
    return "  ".join(f"{branch} {show_one(values)}" for branch, values in scores.items())


def show_one(values) -> str:
    return " ".join(
        f"{COLUMNS[name]}{value:5.2f}" for name, value in values.items() if COLUMNS.get(name) is not None
    )
