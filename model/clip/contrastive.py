"""Contrastive learning of images and captions: augmentation, loss, one epoch, evaluation.

Shapes: `B` images of a batch, `S` pixels a side, `P` width of the common space.
"""

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPModel

from clip.captions import Captions, Images
from data.pipeline import normalize
from support.errors import InputError
from support.gradients import all_gather_rows, all_reduce_gradients, scale_shared_gradient
from support.processes import (
    all_reduce,
    check_divisible,
    gather_batches,
    shard,
    shard_slice,
    world_size,
)
from support.untrusted import check_archive

MAX_LOGIT_SCALE = math.log(100)
NEVER = -1e4  # logit of what is no candidate; finite, since there may be none


@dataclass
class Augmentation:
    """What may change in an aerial photograph and leave its captions true. One map of the plane and one of the colours per image."""

    turn: bool = True  # by right angles: nadir views have no up
    flip: bool = True
    crop: float = 0.5  # smallest share of the area that is kept; 1: no crop
    colour: float = 0.3  # largest change of brightness, contrast and saturation; 0: none

    def __call__(self, images: Tensor, size: int, count: int, chance: np.random.Generator) -> Tensor:
        """Of a batch of `count` images the part of this process, [B, 3, S, S] uint8 -> [B, 3, size, size] float32 in 0..255"""
        images = images.float()
        plane = self.draw_plane(count, chance)[shard_slice()].to(images)
        grid = F.affine_grid(plane, [len(images), 3, size, size], align_corners=False)
        images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return (
            self.change_colours(images, self.draw_colours(count, chance)[:, shard_slice()].to(images))
            if self.colour
            else images
        )

    def draw_plane(self, count: int, chance: np.random.Generator) -> Tensor:
        """[B, 2, 3] affine maps: crop, then turn, then flip."""
        area, aspect = (
            chance.uniform(self.crop, 1, count),
            np.exp(chance.uniform(-1, 1, count) * math.log(4 / 3) * (self.crop < 1)),
        )
        extent = np.sqrt([area * aspect, area / aspect]).clip(
            max=1
        )  # [2, B] width and height, of the image's
        shift = chance.uniform(-1, 1, (2, count)) * (1 - extent)
        quarter = chance.integers(4, size=count) * self.turn
        cos, sin = np.array([1, 0, -1, 0])[quarter], np.array([0, 1, 0, -1])[quarter]
        mirror = 1 - 2 * (chance.integers(2, size=count) * self.flip)
        (width, height), (x, y) = extent, shift
        return torch.tensor(
            np.array([[width * cos * mirror, -width * sin, x], [height * sin * mirror, height * cos, y]])
        ).permute(2, 0, 1)

    def draw_colours(self, count: int, chance: np.random.Generator) -> Tensor:
        """[3, B, 1, 1] factors of brightness, contrast and saturation"""
        return torch.from_numpy(chance.uniform(1 - self.colour, 1 + self.colour, (3, count, 1, 1)))

    def change_colours(self, images: Tensor, factors: Tensor) -> Tensor:
        """brightness x (contrast x (saturated - mean) + mean), as one 3 x 3 matrix and one offset for each image"""
        gray = images.new_tensor([0.299, 0.587, 0.114])
        brightness, contrast, saturation = factors
        matrix = saturation * torch.eye(3, device=images.device) + (1 - saturation) * gray  # [B, 3, 3]
        mean = (images.mean(dim=(2, 3)) @ gray)[:, None, None]
        mixed = torch.baddbmm(
            brightness * (1 - contrast) * mean, brightness * contrast * matrix, images.flatten(2)
        )
        return mixed.clamp(0, 255).view_as(images)


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, pairs: Tensor, true: Tensor) -> Tensor:
    """Each image finds each text of its own among those that are not true of it, and each of these texts its image likewise.

    images: [B, P] and texts: [U, P], of length 1;  scale: inverse temperature
    pairs: [B, k] texts of each image;  true: [B, U] is this text true of that image? No true text counts as a negative
    """
    logits = scale * images @ texts.T
    negatives = logits.masked_fill(true, NEVER)
    found = logits.gather(1, pairs)
    misses = F.softplus(negatives.logsumexp(dim=1)[:, None] - found) + F.softplus(
        negatives.logsumexp(dim=0)[pairs] - found
    )
    return misses.mean() / 2


def make_optimizer(model: CLIPModel, teachers: nn.ModuleDict, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices, not norms, biases, temperature and embeddings."""
    groups: Tuple[list, list] = [], []
    for name, parameter in [*model.named_parameters(), *teachers.named_parameters()]:
        groups[parameter.ndim < 2 or "token_embedding" in name or "position_embedding" in name].append(
            parameter
        )
    return torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1], "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        eps=1e-6,
    )


def schedule(done: float, warmup: float) -> float:
    """Share of the learning rate when a share `done` of all steps is done: up in a line, down in half a cosine."""
    return done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def train_one_epoch(
    model: CLIPModel,
    teachers: nn.ModuleDict,
    optimizer,
    images: Images,
    captions: Captions,
    augmentation: Augmentation,
    epoch: int,
    opt,
) -> Dict[str, float]:
    """Every image once, with some of its captions. All that is random depends on the seed and the epoch alone.
    Of several processes each encodes its part of every batch, and all compare the whole.

    teachers: "image" and "text", as far as there are any
    opt: seed, epochs, batch_size, captions_per_image, lr, warmup, clip_grad, patch_drop, whole_epochs, precision, teacher_weight
    """
    started = time.perf_counter()
    chance = np.random.default_rng([opt.seed, epoch])
    order = np.array_split(chance.permutation(len(images)), math.ceil(len(images) / opt.batch_size))
    check_divisible(min(map(len, order)), "images")
    patch_drop = opt.patch_drop if epoch <= opt.epochs - opt.whole_epochs else 0
    losses = []
    model.train()
    for step, (pixels, batch) in enumerate(
        zip(images.batches([batch[shard_slice()] for batch in order], f"epoch {epoch}"), order)
    ):
        drawn, pairs = captions.draw(batch, opt.captions_per_image, chance).unique(return_inverse=True)
        check_divisible(len(drawn), "different captions")
        pixels = normalize(
            augmentation(pixels, model.config.vision_config.image_size, len(batch), chance), "clip"
        )
        for group in optimizer.param_groups:
            group["lr"] = opt.lr * schedule((epoch - 1 + (step + 0.5) / len(order)) / opt.epochs, opt.warmup)
        with (
            mixed_precision(images.device, opt.precision),
            some_patches(model, patch_drop, len(batch), chance),
        ):
            looked = model.vision_model(pixel_values=pixels).pooler_output
            seen = unit(model.visual_projection(looked))
            read = torch.cat(
                [
                    embed_texts(model, tokens.to(images.device))
                    for tokens in captions.read(drawn[shard_slice()], opt.batch_size)
                ]
            )
            lesson = learn(model, teachers, looked, batch, chance)
        loss = contrastive_loss(
            all_gather_rows(seen, len(batch)),
            all_gather_rows(read, len(drawn)),
            scale_shared_gradient(model.logit_scale.exp()),
            pairs.to(images.device),
            captions.true(batch, drawn).to(images.device),
        )
        optimizer.zero_grad()
        (loss + opt.teacher_weight * lesson).backward()
        all_reduce_gradients([*model.parameters(), *teachers.parameters()])
        torch.nn.utils.clip_grad_norm_(model.parameters(), opt.clip_grad)
        optimizer.step()
        model.logit_scale.data.clamp_(max=MAX_LOGIT_SCALE)
        losses.append(loss.detach() / world_size() + opt.teacher_weight * lesson.detach())
    loss = all_reduce(torch.stack(losses).mean()).item()  # read once, so that a GPU never waits
    if not math.isfinite(loss):
        raise InputError(
            f"the loss became {loss} in epoch {epoch}: try a lower --lr; the last finished epoch is kept"
        )
    return {
        "epoch": epoch,
        "loss": loss,
        "temperature": model.logit_scale.exp().item(),
        "lr": optimizer.param_groups[0]["lr"],
        "seconds": time.perf_counter() - started,
    }


def learn(
    model: CLIPModel, teachers: nn.ModuleDict, looked: Tensor, batch: np.ndarray, chance: np.random.Generator
) -> Tensor:
    """How far the towers are from their teachers: in the images `batch`, of which this process's part gave `looked`, and in as many
    sentences. Of several processes each returns what its part contributes to the mean."""
    far = looked.new_zeros(())
    if "image" in teachers:
        far = far + teachers["image"].distance(looked, batch[shard_slice()])
    if "text" in teachers:
        which = chance.integers(len(teachers["text"].tokens), size=len(batch))[shard_slice()]
        tokens = teachers["text"].tokens[which].to(looked.device)
        far = far + teachers["text"].distance(model.text_model(input_ids=tokens).pooler_output, which)
    return far * (len(looked) / len(batch))


@contextmanager
def some_patches(model: CLIPModel, drop: float, images: int, chance: np.random.Generator):
    """Hide a share of the patches of each image from the vision tower (FLIP, arXiv 2212.00794): it takes that much less time."""
    if not drop:
        yield
        return
    embeddings = model.vision_model.embeddings
    patches = embeddings.num_patches
    kept = 1 + chance.random((images, patches)).argsort(axis=1)[:, : patches - int(drop * patches)]
    kept = torch.from_numpy(np.pad(kept, ((0, 0), (1, 0))))[
        shard_slice(), :, None
    ]  # [B, 1 + kept, 1], with the class token
    hook = embeddings.register_forward_hook(
        lambda _, __, tokens: tokens.gather(1, kept.to(tokens.device).expand(-1, -1, tokens.shape[2]))
    )
    try:
        yield
    finally:
        hook.remove()


def mixed_precision(device: torch.device, precision: str):
    """auto: bf16 on a GPU that has it. Few CPUs gain by it: those with AMX or AVX-512 BF16."""
    auto = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bf16" or (precision == "auto" and auto)
    )


def together(vectors: Iterable[Tensor], device: torch.device) -> Tensor:
    """What all processes made of their batches, one under another."""
    return torch.cat([batch["unit"] for batch in gather_batches([{"unit": some} for some in vectors])]).to(
        device
    )


def embed_images(model: CLIPModel, pixels: Tensor) -> Tensor:
    """[B, 3, S, S] normalised -> [B, P] of length 1"""
    return unit(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output))


def embed_texts(model: CLIPModel, tokens: Tensor) -> Tensor:
    """[B, L] -> [B, P] of length 1. What follows the end token does not count."""
    return unit(model.text_projection(model.text_model(input_ids=tokens).pooler_output))


def unit(vectors: Tensor) -> Tensor:
    """float32, of length 1"""
    return F.normalize(vectors.float(), dim=1)


def retrieval(similarity: Tensor, true: Tensor) -> Dict[str, float]:
    """Of the queries (rows), the percentage that has a true answer among the first 1, 5, 10.  similarity, true: [n, m]"""
    best = similarity.masked_fill(~true, -math.inf).amax(dim=1, keepdim=True)
    rank = ((similarity >= best) & ~true).sum(
        dim=1
    )  # a tie is no hit: where all embeddings are one, nothing is found
    return {f"R@{k}": 100 * (rank < k).double().mean().item() for k in (1, 5, 10)}


@torch.inference_mode()
def evaluate(
    model: CLIPModel,
    images: Images,
    captions: Captions,
    prompts: Optional[Tensor],
    labels: Optional[Tensor],
    batch_size: int,
    precision: str = "auto",
) -> Dict[str, object]:
    """Percentages: retrieval both ways among all images and all different captions, and top-1 by class name if there are classes.

    prompts: [C, T, L] tokens of T sentences for each of C classes, or None;  labels: [n] class of each image
    """
    started = time.perf_counter()
    device, rows, everything = images.device, np.arange(len(images)), torch.arange(len(captions.tokens))
    model.eval()
    order = np.array_split(rows, math.ceil(len(rows) / batch_size))
    with mixed_precision(device, precision):
        seen = together(
            (
                embed_images(model, normalize(pixels, "clip"))
                for pixels in images.batches(shard(order), "test")
            ),
            device,
        )
        read = together(
            (
                embed_texts(model, tokens.to(device))
                for tokens in shard(captions.read(everything, 4 * batch_size))
            ),
            device,
        )
        similarity, true = seen @ read.T, captions.true(rows, everything).to(device)
        scores = {
            "image_to_text": retrieval(similarity, true),
            "text_to_image": retrieval(similarity.T, true.T),
        }
        if prompts is not None:
            names = (
                embed_texts(model, prompts.flatten(0, 1).to(device))
                .unflatten(0, prompts.shape[:2])
                .mean(dim=1)
            )
            top = (seen @ F.normalize(names, dim=1).T).argmax(dim=1).cpu()
            scores["class_name_top1"] = 100 * (top == labels).double().mean().item()
    return {**scores, "test_seconds": time.perf_counter() - started}


class Teacher(nn.Module):
    """A linear layer that foretells a teacher's vectors from a tower's output. It serves in training only."""

    def __init__(self, vectors: Tensor, width: int, tokens: Optional[Tensor] = None):
        """vectors: [n, D] of n images or sentences;  width: of the tower's output;  tokens: [n, L] of the sentences, padded"""
        super().__init__()
        self.vectors, self.tokens = vectors, tokens
        self.head = nn.Linear(width, vectors.shape[1])

    def distance(self, output: Tensor, which: np.ndarray) -> Tensor:
        """Mean cosine distance, 0 to 2.  output: [B, width] of the images or sentences number `which`, [B]"""
        return (
            1
            - F.cosine_similarity(
                self.head(output).float(), self.vectors[which].to(output.device), dim=1
            ).mean()
        )


def read_teacher(path: Path) -> Tuple[List[str], Tensor]:
    """The names of n images, or n sentences, and their vectors [n, D], of an .npz file with `names` and `vectors`."""
    try:
        check_archive(Path(path))
        with np.load(path, allow_pickle=False) as file:
            names, vectors = file["names"], torch.from_numpy(file["vectors"].astype(np.float32))
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise InputError(
            f"{path} is not a teacher's file, an .npz with names [n] and vectors [n, D]: {error}"
        ) from error
    if (
        names.dtype.kind != "U"
        or names.shape != vectors.shape[:1]
        or vectors.ndim != 2
        or not vectors.numel()
        or not torch.isfinite(vectors).all()
    ):
        raise InputError(
            f"{path}: expected n names and finite vectors [n, D], found names {names.dtype} {list(names.shape)} and vectors {list(vectors.shape)}"
        )
    return names.tolist(), vectors


def image_vectors(path: Path, images: List[str]) -> Tensor:
    """[len(images), D]: the vectors of these training images; the file may know more."""
    names, vectors = read_teacher(path)
    place = {name: n for n, name in enumerate(names)}
    missing = [image for image in images if image not in place]
    if missing:
        raise InputError(
            f"{path} has no vector of {len(missing)} of the {len(images)} training images, the first is {missing[0]}: expected one of each"
        )
    return vectors[[place[image] for image in images]]
