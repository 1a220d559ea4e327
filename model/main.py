"""Train and evaluate DSVA.

python model/main.py --image_embedding 61 ...                 train, evaluating after every epoch
python model/main.py ... --random_id 0,1,2 --seeds 3          on several divisions, with several seeds
python model/main.py --eval --resume runs/X/best.safetensors  evaluate a saved model
python model/main.py --repeat runs/X/results.json             run it again: exit code 1 if the numbers differ
"""
# ruff: noqa: E402, since --help is answered, and a variable set, before torch is imported

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU repeats itself only with this

from support.packages import need_packages

if __name__ == "__main__":
    need_packages()

from runs.command_line import get_options
from runs.options import get_parser

if __name__ == "__main__":
    get_parser().start()

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

import numpy as np
import torch

from data.benchmark import images_help
from data.checks import check_images_are_there
from data.pipeline import DeviceLoader
from dsva.engine import evaluate, make_optimizer, train_one_epoch
from dsva.kept_tokens import KeptTokens
from dsva.losses import Criterion
from dsva.metrics import class_tables, score_all
from dsva.protocol import (
    choose_constant,
    choose_over_folds,
    count_folds,
    h_curve,
    refuse_overlap,
    rescale_constant,
    training_part,
    validation_benchmark,
)
from dsva.words import start_from_words
from runs import console
from runs.build import build_data, build_network, word_directions
from runs.checkpoint import checkpoint_metadata
from runs.fingerprints import changed_descriptions, fingerprints
from runs.folder import Run, open_several, write_summary
from runs.loaders import (
    keep_tokens,
    looks_of_training,
    make_sampler,
    open_images,
    start_batches,
    test_loader,
    training_loader,
)
from runs.records import looks_at_windows, selected_branch
from runs.repeat import agrees, print_differences, results_to_repeat
from runs.settings import (
    benchmark_files,
    clip_folder,
    divisions_and_seeds,
    loss_weights,
    network_settings,
    schedule_of,
    windows_after,
    with_options,
)
from runs.small_data import Notes, fit_to_data
from support.cli import REPOSITORY
from support.errors import exits_cleanly
from support.machine import circumstances, device_name, pick_device, use_deterministic_algorithms
from support.processes import init_processes, rank, rank_zero
from support.streams import go_on_unread


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    if opt.eval:
        evaluate_saved(opt, device)
        return

    go_on_unread()
    name = opt.name or f"{opt.dataset}_{Path(opt.image_embedding).stem}_{'gzsl' if opt.gzsl else 'zsl'}"
    several = divisions_and_seeds(opt)  # {} if there is but one
    parts = fit_all(several or {"": opt}, device)  # or an error, before the first has trained for hours
    if opt.repeat:
        recorded = results_to_repeat(opt.repeat)
        now = {
            part: {"options": vars(one), **facts(one, device), **circumstances()}
            for part, one in parts.items()
        }
        print_differences(recorded, now)
    results = run_several(opt, parts, name, device) if several else run_once(parts[""], name, device)
    if opt.repeat and not agrees(recorded, results):
        sys.exit(1)


def fit_all(parts, device) -> dict:
    """The options of each training, with defaults that its data allow. What is lowered is printed."""
    fitted = {}
    notes: Notes = {}
    for part, opt in parts.items():
        data = load_data(opt, device)
        opt, lowered = fit_to_data(opt, data, part_of(opt))
        folds = 1
        if opt.protocol == "clean":
            folds = count_folds(data, opt.gzsl, opt.validation_classes, opt.validation_folds)
        fitted[part] = with_options(opt, validation_folds=folds)
        notes.update((key, line) for key, line in lowered.items() if key not in notes)
    print_each(notes)
    return fitted


def print_each(notes: Notes):
    for line in notes.values():
        print(line)


def run_several(opt, several, name, device) -> dict:
    """One training after another. Returns {"runs": {part: its results}}."""
    folder = Path(opt.output or REPOSITORY / "runs" / name)
    lock = open_several(folder) if rank() == 0 else None  # noqa: F841, held until the last is finished
    results = {}
    for part, one in several.items():
        results[part] = run_once(with_options(one, output=folder / part), name, device)
    branch = results[part]["branch"]
    summary = rank_zero(write_summary, folder, results, branch, vars(opt))
    console.print_summary(summary, folder)
    return {"runs": results}


def run_once(opt, name, device) -> dict:
    """One training on one division with one seed, or what is left of it. Returns its results."""
    use_deterministic_algorithms()
    data = load_data(opt, device)
    run = rank_zero(Run, vars(opt), name, facts(opt, device), data)
    console.print_options(run, device)
    console.print_data(data, part_of(opt), opt.gzsl, opt.xe_pro)

    directions = word_directions(clip_folder(opt), data) if opt.start == "words" else None
    constant = opt.calibrated_stacking
    if opt.protocol == "clean":
        run.chosen = choose(opt, data, run, device, directions)
        constant = run.chosen["calibrated_stacking"]
    fit(opt, data, run, device, directions, constant)

    results = rank_zero(run.finish, 100 / len(data.unseen))
    console.print_results(results, run)
    return results


def choose(opt, data, run, device, directions) -> dict:
    """Epoch and calibration constant, by trainings on the seen classes alone: see `dsva.protocol`.

    They lie in the folder validation/, those of further folds in validation-2/, ...
    """
    part = part_of(opt)
    refuse_overlap(data, part, opt.gzsl)
    folds = []
    notes: Notes = {}
    for fold in range(opt.validation_folds):
        played = validation_benchmark(data, part, opt.gzsl, opt.validation_classes, run.seed, fold)
        fitted, lowered = fit_to_data(opt, played, part, played=len(played.unseen))
        make_sampler(fitted, played, part, run.seed)  # or an error, before anything is written
        folds.append((fitted, played))
        notes.update((key, line) for key, line in lowered.items() if key not in notes)
    rank_zero(run.start)
    print_each(notes)
    console.print_choosing([played for _, played in folds], opt.gzsl)
    trials = []
    for number, (fitted, played) in enumerate(folds, 1):
        name = "validation" if number == 1 else f"validation-{number}"
        options = {**vars(fitted), "manualSeed": run.seed, "output": run.folder / name}
        trial = rank_zero(Run, options, "validation", run.facts, played)
        console.print_fold(number, len(folds), played)
        fit(fitted, played, trial, device, directions, constant=None)
        trials.append(trial)

    epoch, constant, score = rank_zero(best_of, trials, opt.gzsl)
    classes = [data.class_names[c] for _, played in folds for c in played.unseen]
    chosen = {
        "epoch": epoch,
        "calibrated_stacking": rescale_constant(constant, folds[0][1], data) if opt.gzsl else constant,
        "score": score,
        "classes": list(dict.fromkeys(classes)),
    }
    console.print_choice(chosen, rank_zero(branch_at, trials[0], epoch), len(folds))
    return chosen


def best_of(trials, gzsl) -> Tuple[int, float, float]:
    """Epoch, constant and score: the best epoch of a single training, or that of the mean over folds."""
    for trial in trials:
        trial.check_last()
    if len(trials) == 1:
        best = trials[0].best()
        return best["epoch"], best["calibrated_stacking"], trials[0].score(best)
    return choose_over_folds([trial.scored_epochs() for trial in trials], gzsl)


def branch_at(trial, epoch) -> str:
    return trial.branch(trial.line_of(epoch))


# ---- the training ----------------------------------------------------------------------------------


@dataclass
class Testing:
    """How the test after an epoch is scored.

    loader:   the test images
    gzsl:     do seen and unseen classes compete?
    sel_res:  the branch that counts, see `selected_branch`
    constant: of calibrated stacking. None, in the validation trainings of `choose` alone: that of the
              highest H on these images, epoch by epoch
    curve:    is H written down for all constants? Where `choose` takes the mean over folds
    kept:     the test images' tokens, while the tower stands still, if they are kept
    """

    loader: DeviceLoader
    gzsl: bool
    sel_res: str
    constant: Optional[float]
    curve: bool = False
    kept: Optional[KeptTokens] = None


def fit(opt, data, run, device, directions, constant):
    """Network, criterion and loaders, then all epochs that the run has not finished yet.

    directions: [A, D] of the attributes' words, for the heads to start from, or None
    constant:   of calibrated stacking, see `Testing`
    """
    torch.manual_seed(run.seed)
    model = build_network(network_settings(opt), data, device, run.checkpoint)
    images = open_images(opt, data, model, device)
    if directions is not None and not run.checkpoint:
        start = start_batches(opt, data, part_of(opt), images, device)
        start_from_words(model, directions, start, opt.decorrelate)
    groups = list(data.groups.values()) if opt.use_group else None
    criterion = Criterion(loss_weights(opt), groups, opt.xe_on, model.grid).to(device)
    schedule = schedule_of(opt)
    sampler = make_sampler(opt, data, part_of(opt), run.seed)
    loader = training_loader(opt, images, sampler, device)
    testing = Testing(
        test_loader(opt, data, images, device),
        opt.gzsl,
        opt.sel_res,
        constant,
        curve=constant is None and opt.gzsl and opt.validation_folds > 1,
    )
    if schedule.tests_in_warmup(run.epoch + 1) > 1:
        testing.kept = keep_tokens(opt, data, model, device)
    is_finished = run.epoch + 1 >= schedule.epochs
    if constant is not None and not is_finished:  # in a run, not in those that choose for it
        run.looks = rank_zero(looks_of_training, opt, data, part_of(opt), images, device)
    rank_zero(run.start)
    train(run, data, model, criterion, schedule, sampler, loader, testing)


def train(run, data, model, criterion, schedule, sampler, loader, testing):
    """Every epoch: update on all batches, test if it is its turn, write down."""
    for epoch in range(run.epoch + 1, schedule.epochs):
        sampler.set_epoch(epoch)
        torch.manual_seed(run.seed + 1 + epoch)  # an epoch depends on no earlier draw: one can go on after it
        started = time.perf_counter()
        full, windows = schedule.is_full(epoch), schedule.uses_windows(epoch)
        lr = schedule.learning_rate(epoch)
        if full:
            testing.kept = None  # the tower learns, and wants the room
        optimizer = make_optimizer(model, full, lr, (schedule.beta1, 0.999))
        losses = train_one_epoch(
            model,
            criterion,
            optimizer,
            loader,
            data.class_attributes,
            data.seen,
            full,
            windows,
            f"epoch {epoch}",
        )
        trained = time.perf_counter()
        scores, tables, chosen = {}, {}, {"calibrated_stacking": testing.constant or 0.0}
        if schedule.is_tested(epoch):
            scores, tables, chosen = test(model, data, testing, windows)
        line = {
            "epoch": epoch,
            "stage": "full" if full else "warm-up",
            "windows": windows,
            "lr": lr,
            "loss": sum(losses.values()),
            "losses": losses,
            "scores": scores,
            **chosen,
            "seconds": {"train": trained - started, "test": time.perf_counter() - trained},
        }
        rank_zero(finish_epoch, run, model, line, tables)


def finish_epoch(run, model, line, tables):
    run.finish_epoch(model, line, tables)
    console.print_epoch(line, run)


def test(model, data, testing, windows):
    """Score every branch on the test images.

    windows: are they used in this epoch? They are looked at only where the branch that counts needs them.
    Returns {branch: {score: value}}, the tables of `class_tables`, and for the log {"calibrated_stacking":
    its constant}, with the "curve" of `h_curve` where it is asked for.
    """
    classes = data.candidates(testing.gzsl)
    look_again = looks_at_windows(testing.sel_res, windows)
    probabilities, labels = evaluate(
        model, testing.loader, data.class_attributes, classes, look_again, "test", testing.kept
    )
    counting = probabilities[selected_branch(testing.sel_res, probabilities)]
    constant = testing.constant
    if constant is None:
        constant = choose_constant(counting, labels, data) if testing.gzsl else 0.0
    scores, per_class = score_all(
        probabilities, labels, classes, data.seen, data.unseen, testing.gzsl, constant
    )
    is_seen = np.isin(classes, data.seen)
    names = [data.class_names[c] for c in classes]
    tables = class_tables(counting, labels, classes, is_seen, names, constant, per_class)
    chosen = {"calibrated_stacking": constant}
    if testing.curve:
        chosen["curve"] = h_curve(counting, labels, data)
    return scores, tables, chosen


def evaluate_saved(opt, device):
    """--eval: print the scores of a saved model."""
    saved = checkpoint_metadata(opt.resume)
    files = benchmark_files(opt)
    data = build_data(files, opt.only_groups, device, needs_images=False)
    check_images_are_there([data.image_paths[i] for i in data.test_images(opt.gzsl)], images_help(files))
    console.print_changed(changed_descriptions(saved["files"], benchmark_files(opt)))
    model = build_network(network_settings(opt), data, device, opt.resume)
    images = open_images(opt, data, model, device)
    loader = test_loader(opt, data, images, device)
    testing = Testing(loader, opt.gzsl, opt.sel_res, opt.calibrated_stacking)
    scores, _, _ = test(model, data, testing, saved["epoch"] > windows_after(opt))
    console.print_scores(scores, selected_branch(opt.sel_res, scores))


# ---- data ------------------------------------------------------------------------------------------


def load_data(opt, device):
    return build_data(benchmark_files(opt), opt.only_groups, device)


def facts(opt, device) -> dict:
    """What a run records, beside its options, so that it can be repeated."""
    files = fingerprints(benchmark_files(opt), clip_folder(opt))
    return {"device": device_name(device), "resume": opt.resume, "files": files}


def part_of(opt) -> str:
    """The split that is trained on."""
    return training_part(opt.gzsl, opt.protocol == "clean")


if __name__ == "__main__":
    main()
