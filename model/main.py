"""Train and evaluate DSVA.

python model/main.py --image_embedding 61 ...                    train, evaluating after every epoch
python model/main.py ... --random_id 0,1,2 --seeds 3             on several divisions, with several seeds: mean and deviation
python model/main.py --eval --resume runs/X/best.safetensors     evaluate a saved model
python model/main.py --repeat runs/X/results.json                run it again, and compare the numbers: exit code 1 if they differ
"""

import os

os.environ.setdefault(
    "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
)  # a GPU repeats itself only with this, set before torch starts

import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from runs.protocol import (
    choice,
    constant_of_choice,
    divisions_and_seeds,
    refuse_overlap,
    to_choose_on,
    training_part,
)
from torch.utils.data import BatchSampler, DataLoader

from data.cache import open_cache
from data.pipeline import SceneImages, normalize, scene_loader
from data.samplers import EpisodeSampler, ShuffledSampler
from dsva.engine import evaluate, make_optimizer, train_one_epoch
from dsva.losses import Criterion
from dsva.metrics import calibrated_stacking, confusion, score_all
from dsva.words import attribute_directions, start_from_words
from runs.build import build_data, build_model, changed_since, facts
from runs.checkpoint import checkpoint_metadata
from runs.console import (
    print_changed,
    print_choice,
    print_choosing,
    print_data,
    print_epoch,
    print_options,
    print_results,
    print_scores,
    print_summary,
)
from runs.folder import Run, open_several, write_summary
from runs.options import BRANCH, clip_folder, get_options, loss_weights, needs_windows
from runs.repeat import agrees, print_differences, read_results
from support.errors import exits_cleanly
from support.machine import REPOSITORY, circumstances, pick_device
from support.processes import ShardedSampler, init_processes, progress, rank, rank_zero, shard, world_size

START_IMAGES = 512  # training images that the start of the heads looks at


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    if opt.eval:
        data = build_data(opt, device)
        print_changed(changed_since(checkpoint_metadata(opt.resume)["files"], opt))
        model = build_model(opt, data, opt.resume).to(device)
        testing = test_loader(opt, data, open_scenes(opt, data, model))
        scores, _, _ = test(
            opt, data, model, testing, checkpoint_metadata(opt.resume)["epoch"], opt.calibrated_stacking
        )
        return print_scores(scores, BRANCH[opt.sel_res])

    name = opt.name or f"{opt.dataset}_{Path(opt.image_embedding).stem}_{'gzsl' if opt.gzsl else 'zsl'}"
    several = divisions_and_seeds(opt)
    if opt.repeat:
        recorded = read_results(opt.repeat)
        print_differences(
            recorded,
            {
                part: {"options": vars(one), **facts(one, device), **circumstances()}
                for part, one in (several or {"": opt}).items()
            },
        )
    results = run_several(opt, several, name, device) if several else run_once(opt, name, device)
    if opt.repeat and not agrees(recorded, results):
        sys.exit(1)


def run_several(opt, several, name, device) -> dict:
    """One training after another. Returns {"runs": {part: its results}}."""
    folder = Path(opt.output or REPOSITORY / "runs" / name)
    for one in several.values():
        build_data(one, device)  # or an error, before the first has trained for hours
    lock = open_several(folder) if rank() == 0 else None  # noqa: F841, kept until the last is finished
    results = {
        part: run_once(Namespace(**{**vars(one), "output": folder / part}), name, device)
        for part, one in several.items()
    }
    print_summary(rank_zero(write_summary, folder, results, BRANCH[opt.sel_res], vars(opt)), folder)
    return {"runs": results}


def run_once(opt, name, device) -> dict:
    """One training on one division with one seed, or what is left of it. Returns its results."""
    data = build_data(opt, device)
    run = rank_zero(Run, vars(opt), name, BRANCH[opt.sel_res], facts(opt, device))
    print_options(run, device)
    print_data(opt, data)
    torch.use_deterministic_algorithms(True, warn_only=True)
    directions = attribute_directions(clip_folder(opt), data) if opt.start == "words" else None
    run.chosen = choose(opt, data, run, device, directions) if opt.protocol == "clean" else None
    train(
        opt,
        data,
        run,
        device,
        directions,
        run.chosen["calibrated_stacking"] if run.chosen else opt.calibrated_stacking,
    )
    results = rank_zero(run.finish, 100 / len(data.unseen))
    print_results(results, run)
    return results


def choose(opt, data, run, device, directions) -> dict:
    """Epoch and calibration constant, by a training on the seen classes alone, in the run's folder validation/."""
    refuse_overlap(opt, data)
    tried = to_choose_on(opt, data, run.seed)
    make_sampler(opt, tried, run.seed)  # or an error, before anything is written
    rank_zero(run.start)
    trial = rank_zero(
        Run,
        {**vars(opt), "manualSeed": run.seed, "output": run.folder / "validation"},
        "validation",
        run.branch,
        run.facts,
    )
    print_choosing(tried)
    train(opt, tried, trial, device, directions, constant=None)
    chosen = rank_zero(choice, trial, opt.gzsl, tried, data)
    print_choice(chosen, trial)
    return chosen


def train(opt, data, run, device, directions, constant):
    """All epochs that the run has not finished yet.

    directions: [A, D] of the attributes' words, for the heads to start from, or None
    constant: of calibrated stacking; None: the best one, epoch by epoch
    """
    torch.manual_seed(run.seed)
    model = build_model(opt, data, run.checkpoint).to(device)
    scenes = open_scenes(opt, data, model)
    if directions is not None and not run.checkpoint:
        start_from_words(model, directions, some_images(opt, data, scenes), opt.decorrelate)
    criterion = Criterion(loss_weights(opt), list(data.groups.values()) if opt.use_group else None, opt.xe_on)
    sampler = make_sampler(opt, data, run.seed)
    loaders = (
        load(opt, data, scenes, ShardedSampler(sampler) if world_size() > 1 else sampler),
        test_loader(opt, data, scenes),
    )
    rank_zero(run.start)
    for epoch in range(run.epoch + 1, opt.nepoch):
        sampler.set_epoch(epoch)
        torch.manual_seed(
            run.seed + 1 + epoch
        )  # an epoch depends on no earlier draw, so that one can go on after it
        line, tables = run_epoch(opt, data, model, criterion, *loaders, epoch, constant)
        rank_zero(finish_epoch, run, model, line, tables)


def finish_epoch(run, model, line, tables):
    run.finish_epoch(model, line, tables)
    print_epoch(line, run)


def run_epoch(opt, data, model, criterion, training, testing, epoch, constant):
    """Train and test once. Returns the log line, and the tables of `test`."""
    started = time.perf_counter()
    full, windows = epoch > opt.pretrain_epoch, epoch > opt.pro_start_epoch
    lr = opt.classifier_lr * 0.9 ** (epoch // 10) if full else opt.pretrain_lr
    optimizer = make_optimizer(model, full, lr, (opt.beta1, 0.999))
    losses = train_one_epoch(
        model,
        criterion,
        optimizer,
        training,
        data.class_attributes,
        data.seen,
        opt.normalize,
        full,
        windows,
        f"epoch {epoch}",
    )
    trained = time.perf_counter()
    scores, tables, constant = test(opt, data, model, testing, epoch, constant)
    return {
        "epoch": epoch,
        "stage": "full" if full else "warm-up",
        "windows": windows,
        "lr": lr,
        "loss": sum(losses.values()),
        "losses": losses,
        "scores": scores,
        "calibrated_stacking": constant,
        "seconds": {"train": trained - started, "test": time.perf_counter() - trained},
    }, tables


def test(opt, data, model, loader, epoch, constant):
    """Scores of every branch, and two tables, column by column: the accuracy of every class by every branch, and how many images
    of each class the chosen branch gave to each. Windows only where that branch needs them. Last, the constant of calibrated
    stacking: the given one or, of None, that of the chosen branch's highest H."""
    classes = data.candidates(opt.gzsl)
    probabilities, labels = evaluate(
        model, loader, data.class_attributes, classes, opt.normalize, needs_windows(opt, epoch), "test"
    )
    if constant is None:
        constant = constant_of_choice(probabilities[BRANCH[opt.sel_res]], labels, data) if opt.gzsl else 0.0
    scores, per_class = score_all(probabilities, labels, classes, data.seen, data.unseen, opt.gzsl, constant)
    names = [data.class_names[c] for c in classes]
    subset = ["unseen" if c in data.unseen else "seen" for c in classes]
    chosen = calibrated_stacking(
        probabilities[BRANCH[opt.sel_res]], np.isin(classes, data.seen), constant
    )  # in ZSL none is seen
    counts = confusion(classes[chosen.argmax(axis=1)], labels, classes)
    return (
        scores,
        {
            "per_class": {
                "class": names,
                "subset": subset,
                "images": counts.sum(axis=1).tolist(),
                **per_class,
            },
            "confusion": {"class": names, **dict(zip(names, counts.T.tolist()))},
        },
        constant,
    )


def some_images(opt, data, scenes):
    """Batches of at most SOME training images, of all classes alike, and their classes."""
    images = data.splits[training_part(opt)]
    some = BatchSampler(images[:: -(-len(images) // START_IMAGES)].tolist(), opt.batch_size, drop_last=False)
    for batch, labels in progress(load(opt, data, scenes, some), "start"):
        yield (
            normalize(batch.to(data.class_attributes.device), opt.normalize),
            labels.to(data.class_attributes.device),
        )


def make_sampler(opt, data, seed):
    images = data.splits[training_part(opt)]
    if opt.train_mode == "random":
        return ShuffledSampler(images, opt.batch_size, seed)
    return EpisodeSampler(data.labels, images, opt.n_batch, opt.ways, opt.shots, seed, data.class_names)


def open_scenes(opt, data, model) -> SceneImages:
    """The images as the network wants them, kept where --cache says."""
    size, beside = model.tower.config.image_size, Path(opt.root) / opt.dataset / "cache"
    folder = Path(opt.cache_dir) if opt.cache_dir else beside if opt.cache == "disk" else None
    return SceneImages(
        data,
        size,
        open_cache(opt.cache, data.image_paths, size, folder, opt.workers, data.class_attributes.device),
    )


def test_loader(opt, data, scenes) -> DataLoader:
    return load(
        opt,
        data,
        scenes,
        shard(BatchSampler(data.test_images(opt.gzsl).tolist(), opt.batch_size, drop_last=False)),
    )


def load(opt, data, scenes, batches) -> DataLoader:
    return scene_loader(scenes, batches, opt.workers, pin_memory=data.class_attributes.is_cuda)


if __name__ == "__main__":
    main()
