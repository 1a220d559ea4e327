"""What `benchmark.py` times: the parts of a training, the bare tower's share of each, and the same parts in the published order."""

import time
from argparse import Namespace
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Callable, Dict, List, Tuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

import main  # OLD
from bench.as_published import AsPublished
from data.pipeline import normalize
from dsva.engine import evaluate, make_optimizer, train_one_epoch
from dsva.losses import Criterion
from dsva.network import DSVA
from runs.build import build_data, build_model
from runs.options import loss_weights, needs_windows
from support.machine import peak_memory, pick_device

STEPS = {
    "warm-up": (False, False),
    "warm-up+windows": (False, True),
    "full": (True, False),
    "full+windows": (True, True),
}
EVALUATIONS = {"evaluation": False, "evaluation+windows": True}
ROWS = (*STEPS, *EVALUATIONS, "loading", "epoch")
AGREE = {
    "fp32": 1e-4,
    "tf32": 1e-2,
    "bf16": 2e-2,
}  # how far a loss may be from that of the published order, as a share of it
Batches = List[Tuple[Tensor, Tensor]]  # uint8 images [B, 3, S, S] on the device, labels [B]


@dataclass
class Row:
    """passes: of all images through the tower, forward; a backward pass counts as two, which is about what it costs.
    seconds: of "ours" and, where there is such a thing, of the bare "tower" and of "published"."""

    name: str
    batches: int
    images: int
    passes: float
    seconds: Dict[str, float]


class Work:
    """A network, with `as_published` a twin that works in the published order, and a few batches on the device."""

    def __init__(self, opt: Namespace, batches: int, as_published: bool):
        torch.use_deterministic_algorithms(True, warn_only=True)  # as main.py does
        self.device, self.data = pick_device(opt.device), build_data(opt, pick_device(opt.device))
        self.options = {
            "ours": opt,
            **(
                {
                    "published": Namespace(
                        **{**vars(opt), "precision": "fp32", "compile": False, "cache": "none"}
                    )
                }
                if as_published
                else {}
            ),
        }
        self.networks = {
            name: build_model(options, self.data, kind=AsPublished if name == "published" else DSVA).to(
                self.device
            )
            for name, options in self.options.items()
        }
        self.opt, self.model = opt, self.networks["ours"]
        self.criterion = Criterion(
            loss_weights(opt), list(self.data.groups.values()) if opt.use_group else None, opt.xe_on
        )
        self.training, self.testing = (
            self.on_device(islice(loader, batches)) for loader in self.loaders(opt)
        )
        self.peaks: List[float] = []  # of the memory, after each epoch

    def loaders(self, opt: Namespace) -> Tuple[DataLoader, DataLoader]:
        scenes = main.open_scenes(opt, self.data, self.model)
        return main.load(opt, self.data, scenes, main.make_sampler(opt, self.data, seed=0)), main.test_loader(
            opt, self.data, scenes
        )

    def on_device(self, loader) -> Batches:
        return [(images.to(self.device), labels) for images, labels in loader]

    def measure(self, name: str, rounds: int) -> Row:
        if "published" in self.networks:
            self.networks["published"].load_state_dict(self.model.state_dict())
        if name in STEPS:
            full, windows = STEPS[name]
            programs = {who: self.steps(network, full, windows) for who, network in self.networks.items()}
            programs["tower"] = self.passes(self.training, 1 + windows, backward=full)
            return self.row(name, rounds, self.training, (1 + windows) * (3 if full else 1), programs)
        if name in EVALUATIONS:
            windows = EVALUATIONS[name]
            programs = {who: self.evaluation(network, windows) for who, network in self.networks.items()}
            programs["tower"] = self.passes(self.testing, 1 + windows)
            return self.row(name, rounds, self.testing, 1 + windows, programs)
        training, testing = (self.on_device(loader) for loader in self.loaders(self.opt))
        if name == "loading":
            return self.row(name, rounds, training, 0, {"ours": self.loading(self.loaders(self.opt)[0])})
        epoch = self.opt.pretrain_epoch + 1  # the first of the full stage
        looks, looks_in_test = 1 + (epoch > self.opt.pro_start_epoch), 1 + needs_windows(self.opt, epoch)
        programs = {who: self.epoch(who, epoch) for who in self.networks}
        bare = self.passes(training, looks, backward=True), self.passes(testing, looks_in_test)
        programs["tower"] = lambda: [passes() for passes in bare]
        share = sum(len(labels) for _, labels in training) / sum(
            len(labels) for _, labels in training + testing
        )
        return self.row(
            name, rounds, training + testing, 3 * looks * share + looks_in_test * (1 - share), programs
        )

    def row(
        self, name: str, rounds: int, batches: Batches, passes: float, programs: Dict[str, Callable]
    ) -> Row:
        losses, seconds = take_turns(programs, rounds, self.device)
        ours, published = losses["ours"], losses.get("published")
        if published is not None and abs(ours - published) > AGREE[self.opt.precision] * abs(published):
            raise AssertionError(f"{name}: the loss is {ours}, and in the published order {published}")
        return Row(name, len(batches), sum(len(labels) for _, labels in batches), passes, seconds)

    # ---- programs. Those that train return the mean loss

    def steps(self, network: DSVA, full: bool, windows: bool) -> Callable:
        optimizer = make_optimizer(
            network, full, self.opt.classifier_lr if full else self.opt.pretrain_lr, (self.opt.beta1, 0.999)
        )

        def program():
            network.learn(everything=full)  # `passes` may have chosen otherwise
            return sum(
                train_one_epoch(
                    network,
                    self.criterion,
                    optimizer,
                    self.training,
                    self.data.class_attributes,
                    self.data.seen,
                    self.opt.normalize,
                    full,
                    windows,
                    "",
                ).values()
            )

        return program

    def evaluation(self, network: DSVA, windows: bool) -> Callable:
        def program():
            evaluate(
                network,
                self.testing,
                self.data.class_attributes,
                self.data.candidates(True),
                self.opt.normalize,
                windows,
                "",
            )

        return program

    def loading(self, loader) -> Callable:
        def program():
            for _ in loader:
                pass

        return program

    def epoch(self, who: str, epoch: int) -> Callable:
        loaders = self.loaders(self.options[who])

        def program():
            line, _ = main.run_epoch(
                self.options[who], self.data, self.networks[who], self.criterion, *loaders, epoch, 0.0
            )
            self.peaks.append(memory(self.device))
            return line["loss"]

        return program

    def passes(self, batches: Batches, looks: int, backward: bool = False) -> Callable:
        """What cannot be left out: every image, as often as it is looked at, through the tower."""
        normalized = [normalize(images, self.opt.normalize) for images, _ in batches]

        def program():
            self.model.tower.requires_grad_(backward)
            for images in normalized:
                self.model.tower.zero_grad()
                with torch.set_grad_enabled(backward):
                    for _ in range(looks):
                        tokens = self.model.tokens(images)
                        if backward:
                            tokens.backward(torch.ones_like(tokens))

        return program


def take_turns(
    programs: Dict[str, Callable], rounds: int, device: torch.device
) -> Tuple[dict, Dict[str, float]]:
    """What each program returns at first, when it warms up, and the median seconds of `rounds` that follow."""
    first: dict = {}
    seconds: Dict[str, List[float]] = {who: [] for who in programs}
    for turn in range(rounds + 1):
        for who, program in programs.items():
            wait(device)
            started = time.perf_counter()
            result = program()
            wait(device)
            if turn:
                seconds[who].append(time.perf_counter() - started)
            else:
                first[who] = result
    return first, {who: median(times) for who, times in seconds.items()}


def wait(device: torch.device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_peak(device: torch.device, precision: str, side: int) -> float:
    """FLOP/s of a product of two square matrices, in this precision."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.randn(2, side, side, device=device).to(kind)
    _, seconds = take_turns({"product": lambda: left @ right}, 5, device)
    return 2 * side**3 / seconds["product"]


def pass_flops(config) -> float:
    """Of one image, forward through a tower: multiplications and additions in matrix products."""
    width, patches = config.hidden_size, (config.image_size // config.patch_size) ** 2
    tokens = 1 + patches
    layer = (
        4 * width**2 + 2 * width * config.intermediate_size + 2 * tokens * width
    )  # of each token: projections, MLP, attention
    return 2 * (patches * 3 * config.patch_size**2 * width + config.num_hidden_layers * tokens * layer)


def memory(device: torch.device) -> float:
    """The most that was ever taken, in GiB: of the GPU, or else by the process."""
    return peak_memory()["gpu" if device.type == "cuda" else "process"] / 1024
