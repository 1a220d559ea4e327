"""Train and evaluate DSVA.

    python model/main.py --image_embedding 61 ...                    train, evaluating after every epoch
    python model/main.py --eval --resume runs/X/best.safetensors     evaluate a saved model
"""
import os
import time
from pathlib import Path

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU repeats itself only with this, set before torch starts

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.utils.data import DataLoader, Subset  # noqa: E402

from build import build_data, build_model  # noqa: E402
from console import print_data, print_epoch, print_options, print_results, print_scores  # noqa: E402
from dataset import EpisodeSampler, SceneImages, ShuffledSampler  # noqa: E402
from engine import evaluate, make_optimizer, train_one_epoch  # noqa: E402
from errors import exits_cleanly  # noqa: E402
from losses import Criterion  # noqa: E402
from metrics import calibrated_stacking, confusion, score_all  # noqa: E402
from options import BRANCH, get_options, loss_weights, needs_windows, pick_device  # noqa: E402
from runs import Run, checkpoint_metadata  # noqa: E402


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = pick_device(opt.device)
    data = build_data(opt, device)
    if opt.eval:
        model = build_model(opt, data, opt.resume).to(device)
        scores, _ = test(opt, data, model, test_loader(opt, data, model), checkpoint_metadata(opt.resume)["epoch"])
        return print_scores(scores, BRANCH[opt.sel_res])

    setting = "gzsl" if opt.gzsl else "zsl"
    run = Run(vars(opt), opt.name or f"{opt.dataset}_{Path(opt.image_embedding).stem}_{setting}", branch=BRANCH[opt.sel_res])
    print_options(run, device)
    print_data(opt, data)
    torch.manual_seed(run.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    model = build_model(opt, data, run.checkpoint).to(device)
    criterion = Criterion(loss_weights(opt), list(data.groups.values()) if opt.use_group else None, opt.xe_on)
    sampler = make_sampler(opt, data, run.seed)
    loaders = train_loader(opt, data, model, sampler), test_loader(opt, data, model)
    run.start()
    for epoch in range(run.epoch + 1, opt.nepoch):
        sampler.set_epoch(epoch)
        line, tables = run_epoch(opt, data, model, criterion, *loaders, epoch)
        run.finish_epoch(model, line, tables)
        print_epoch(line, run)
    print_results(run.finish(chance=100 / len(data.unseen)), run)


def run_epoch(opt, data, model, criterion, training, testing, epoch):
    """Train and test once. Returns the log line, and the tables of `test`."""
    started = time.perf_counter()
    full, windows = epoch > opt.pretrain_epoch, epoch > opt.pro_start_epoch
    lr = opt.classifier_lr * 0.9 ** (epoch // 10) if full else opt.pretrain_lr
    optimizer = make_optimizer(model, full, lr, (opt.beta1, 0.999))
    losses = train_one_epoch(model, criterion, optimizer, training, data.class_attributes, data.seen, opt.normalize, full, windows,
                             f"epoch {epoch}")
    trained = time.perf_counter()
    scores, tables = test(opt, data, model, testing, epoch)
    return {"epoch": epoch, "stage": "full" if full else "warm-up", "windows": windows, "lr": lr,
            "loss": sum(losses.values()), "losses": losses, "scores": scores,
            "seconds": {"train": trained - started, "test": time.perf_counter() - trained}}, tables


def test(opt, data, model, loader, epoch):
    """Scores of every branch, and two tables, column by column: the accuracy of every class by every branch, and how many images
    of each class the chosen branch gave to each. Windows only where that branch needs them."""
    classes = data.candidates(opt.gzsl)
    probabilities, labels = evaluate(model, loader, data.class_attributes, classes, opt.normalize, needs_windows(opt, epoch), "test")
    scores, per_class = score_all(probabilities, labels, classes, data.seen, data.unseen, opt.gzsl, opt.calibrated_stacking)
    names = [data.class_names[c] for c in classes]
    subset = ["unseen" if c in data.unseen else "seen" for c in classes]
    chosen = calibrated_stacking(probabilities[BRANCH[opt.sel_res]], np.isin(classes, data.seen), opt.calibrated_stacking)  # in ZSL none is seen
    counts = confusion(classes[chosen.argmax(axis=1)], labels, classes)
    return scores, {"per_class": {"class": names, "subset": subset, "images": counts.sum(axis=1).tolist(), **per_class},
                    "confusion": {"class": names, **dict(zip(names, counts.T.tolist()))}}


def make_sampler(opt, data, seed):
    images = data.splits["train_zsl_loc"]  # in GZSL too: as published
    if opt.train_mode == "random":
        return ShuffledSampler(images, opt.batch_size, seed)
    return EpisodeSampler(data.labels, images, opt.n_batch, opt.ways, opt.shots, seed, data.class_names)


def train_loader(opt, data, model, sampler) -> DataLoader:
    return DataLoader(SceneImages(data, model.tower.config.image_size), batch_sampler=sampler, num_workers=opt.workers, pin_memory=data.class_attributes.is_cuda)


def test_loader(opt, data, model) -> DataLoader:
    images = Subset(SceneImages(data, model.tower.config.image_size), data.test_images(opt.gzsl).tolist())
    return DataLoader(images, opt.batch_size, num_workers=opt.workers, pin_memory=data.class_attributes.is_cuda)


if __name__ == "__main__":
    main()
