"""What a run says: its circumstances, a line an epoch, its results."""
import numpy as np

from runs import circumstances

COLUMNS = {"accuracy": "", "U": "U ", "S": "S ", "H": "H ", "AUSUC": None}  # how a score is shown, None: in the files only


def print_options(run, device):
    facts = circumstances()
    print(f"run     {run.folder}")
    print(f"commit  {facts['git']}")
    print(f"with    {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}; {device}")
    print("options " + "  ".join(f"{name}={value}" for name, value in sorted(run.options.items())))
    if run.checkpoint:
        print(f"going on from {run.checkpoint}, epoch {run.epoch}")


def print_data(opt, data):
    train, test_seen = data.splits["train_zsl_loc"], data.splits["test_seen_loc"]
    print(f"data    {len(data.seen)} seen and {len(data.unseen)} unseen classes, {len(data.class_attributes)} attributes in "
          f"{len(data.groups)} groups; {len(train)} training images, {len(data.splits['test_unseen_loc'])} unseen test images")
    print(f"unseen  {', '.join(data.class_names[c] for c in data.unseen)}")
    both = len(np.intersect1d(train, test_seen))
    if opt.gzsl and both:
        print(f"note: {both} of the {len(test_seen)} seen test images are trained on (train_zsl_loc), as in the published runs: "
              "S and H are not those of unknown images")
    if opt.xe_pro:
        print("note: --xe_pro weighs the windows' own cross entropy; the published program gave it the weight 0 whatever the option")


def print_epoch(line, run):
    stage = line["stage"] + (" + windows" if line["windows"] else "")
    best = run.best()
    seconds = sum(line["seconds"].values())
    print(f"epoch {line['epoch']:2d}  {stage:17}  loss {line['loss']:7.4f}  {show(line['scores'])}  |  "
          f"best {run.branch} {show_one(best['scores'][run.branch])} (epoch {best['epoch']})  {seconds:.0f} s", flush=True)


def print_scores(scores, branch):
    print(show(scores))
    print(f"selected branch, {branch}: {show_one(scores[branch])}")


def print_results(results, run):
    for name in ("best", "last"):
        print(f"{name:4} epoch {results[name]['epoch']:2d}: {run.branch} {show_one(results[name]['scores'][run.branch])}")
    print(f"chance among the unseen classes: {results['chance']:.2f}. The best epoch is chosen on the test images, as published.")
    print(f"results in {run.folder}")


def show(scores) -> str:
    return "  ".join(f"{branch} {show_one(values)}" for branch, values in scores.items())


def show_one(values) -> str:
    return " ".join(f"{COLUMNS[name]}{value:5.2f}" for name, value in values.items() if COLUMNS[name] is not None)
