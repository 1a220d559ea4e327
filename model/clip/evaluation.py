"""What a CLIP knows of held-out images and captions: retrieval, and zero-shot classification by class name.

Shapes: `n` images, `U` different captions, `C` classes, `T` sentences for each class,
`L` tokens of a sentence, `P` dimensions of the common space.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPModel

from clip.captions import Captions
from clip.contrastive import embed_images, embed_texts, mixed_precision
from clip.picture_batches import PictureBatches
from data.names import readable
from data.naming import words_of_folders
from support.errors import InputError
from support.processes import gather_batches, shard


@dataclass
class ClassNames:
    """The classes of held-out images, and their names in sentences.

    prompts: [C, T, L] tokens of T sentences for each class
    labels:  [n], class of each image
    """

    prompts: Tensor
    labels: Tensor


def class_name_prompts(
    image_files: Sequence[str],
    templates: Sequence[str],
    tokenizer,
    context: int,
    places: Sequence[Path] = (),
) -> Optional[ClassNames]:
    """An image's class is the name of the folder that it lies in. None if some image lies in no folder.

    templates: T sentences, in which {} stands for the name;  context: most tokens of a sentence
    places:    where a class_names.json may say what the folders are called
    """
    folders = [Path(file).parent.name for file in image_files]
    if not all(folders):
        return None
    classes = sorted(set(folders))
    names = [readable(name) for name in words_of_folders(classes, *places)]
    sentences = [template.replace("{}", name) for name in names for template in templates]
    tokens = tokenizer(sentences, padding=True, truncation=True, max_length=context)["input_ids"]
    prompts = torch.tensor(tokens).unflatten(0, (len(classes), -1))  # [C * T, L] -> [C, T, L]
    labels = torch.tensor([classes.index(name) for name in folders])
    return ClassNames(prompts, labels)


@torch.inference_mode()
def evaluate(
    model: CLIPModel,
    images: PictureBatches,
    captions: Captions,
    classes: Optional[ClassNames],
    batch_size: int,
    precision: str = "auto",
) -> Dict[str, Any]:
    """Percentages: retrieval both ways among all images and all different captions; top-1 by class name.

    The latter only if there are classes.
    """
    started = time.perf_counter()
    model.eval()
    every_image = np.arange(len(images))
    every_caption = torch.arange(len(captions.tokens))
    with mixed_precision(images.device, precision):
        image_vectors = embed_all_images(model, images, batch_size)  # [n, P]
        text_vectors = embed_all_captions(model, captions, 4 * batch_size, images.device)  # [U, P]
        check_vectors(image_vectors, text_vectors)
        similarity = image_vectors @ text_vectors.T
        true = captions.are_true(every_image, every_caption).to(images.device)
        scores: Dict[str, Any] = {
            "image_to_text": retrieval(similarity, true),
            "text_to_image": retrieval(similarity.T, true.T),
        }
        if classes is not None:
            scores["class_name_top1"] = top1_by_class_name(model, image_vectors, classes)
    scores["test_seconds"] = time.perf_counter() - started
    return scores


def check_vectors(image_vectors: Tensor, text_vectors: Tensor):
    """Raise InputError if a broken CLIP made them: among NaNs every score means nothing."""
    if not (image_vectors.isfinite().all() and text_vectors.isfinite().all()):
        raise InputError(
            "CLIP makes NaN or infinite numbers of the held-out images or captions: "
            "try a lower --lr, or another --init"
        )


def embed_all_images(model: CLIPModel, images: PictureBatches, batch_size: int) -> Tensor:
    """[n, P] on the device, the work divided among the processes."""
    order = np.array_split(np.arange(len(images)), math.ceil(len(images) / batch_size))
    batches = images.batches(shard(order), "test")
    return gather_vectors(
        (embed_images(model, images.normalize(pixels)) for pixels in batches), images.device
    )


def embed_all_captions(model: CLIPModel, captions: Captions, batch_size: int, device: torch.device) -> Tensor:
    """[U, P] on the device, the work divided among the processes."""
    batches = shard(captions.token_batches(torch.arange(len(captions.tokens)), batch_size))
    return gather_vectors((embed_texts(model, tokens.to(device)) for tokens in batches), device)


def gather_vectors(own: Iterable[Tensor], device: torch.device) -> Tensor:
    """What all processes made of their batches, one under another in the order of all batches."""
    results: List[Dict[str, Tensor]] = gather_batches([{"vectors": vectors} for vectors in own])
    return torch.cat([result["vectors"] for result in results]).to(device)


def top1_by_class_name(model: CLIPModel, image_vectors: Tensor, classes: ClassNames) -> float:
    """Percentage of the images whose class's sentences, averaged, are nearest."""
    tokens = classes.prompts.flatten(0, 1).to(image_vectors.device)  # [C, T, L] -> [C * T, L]
    sentences = embed_texts(model, tokens).unflatten(0, classes.prompts.shape[:2])  # [C, T, P]
    names = F.normalize(sentences.mean(dim=1), dim=1)
    found = (image_vectors @ names.T).argmax(dim=1).cpu()
    return 100 * (found == classes.labels).double().mean().item()


def retrieval(similarity: Tensor, true: Tensor) -> Dict[str, float]:
    """The percentage of the queries (rows) that have a true answer among the first 1, 5 and 10.

    similarity: [n, m];  true: [n, m], is this an answer to that query?

    What is as similar as the best true answer comes before it: where all vectors are one, nothing is found.
    """
    best = similarity.masked_fill(~true, -math.inf).amax(dim=1, keepdim=True)
    rank = (~(similarity < best) & ~true).sum(dim=1)  # NaN comes before all, too
    return {f"R@{k}": 100 * (rank < k).double().mean().item() for k in (1, 5, 10)}
