"""What CLIP says of attributes: vocabulary, prompts, embeddings, and the class-attribute matrix they give.

Shapes: `n` images, `A` attributes, `C` classes, `P` dimensions of CLIP's common space.
"""
import hashlib
import re
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from transformers import CLIPModel, CLIPProcessor

from dsva import load_checkpoint, weight_files
from errors import InputError, first_line
from images import read_image
from parallel import interleaved, mine
from texts import are_words, parse_json

ATTRIBUTE_PROMPTS = ("an aerial photograph with {}.", "a satellite image with {}.", "an overhead view of {}.", "{} seen from above.")
CLASS_PROMPTS = ("a satellite image of a {}.", "an aerial photograph of a {}.", "an overhead view of {}.", "{} seen from above.")


# ---- words -----------------------------------------------------------------------------------------------------------

def load_vocabulary(path: Path) -> Dict[str, List[str]]:
    """{"functions": ["runways", ...], "materials": [...], ...}: an attribute's index is its place in the order of reading."""
    try:
        groups = parse_json(Path(path).read_text(), object_pairs_hook=each_once)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable vocabulary, a JSON object of group name -> list of attribute names: {error}") from error
    if not (isinstance(groups, dict) and groups and all(isinstance(names, list) and names for names in groups.values())
            and all(map(are_words, [*groups, *flat(groups)]))):
        raise InputError(f"{path}: expected a JSON object of group name -> list of attribute names, none of them empty")
    names = [name.strip().lower() for name in flat(groups)]  # CLIP reads no capitals
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{path} names the attribute {twice!r} twice: take one away")
    return groups


def each_once(pairs: List[tuple]) -> dict:
    """A JSON object whose keys are all different; json itself would keep the last of two."""
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it has {twice!r} twice")
    return dict(pairs)


def flat(groups: Dict[str, List[str]]) -> List[str]:
    return [name for names in groups.values() for name in names]


def group_indices(groups: Dict[str, List[str]]) -> Dict[str, List[int]]:
    """The groups as `attri_group_3.json` has them: 0-based attribute indices."""
    index = {name: number for number, name in enumerate(flat(groups))}
    return {group: [index[name] for name in names] for group, names in groups.items()}


def readable(class_name: str) -> str:
    """`BaseballField`, `baseball_field` -> `baseball field`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-\s]+", " ", class_name)
    return words.strip().lower()


# ---- CLIP ------------------------------------------------------------------------------------------------------------

class Clip:
    """A whole CLIP, text and image tower, that embeds words and images as unit vectors."""

    def __init__(self, folder: Path, device: torch.device):
        self.folder, self.device = Path(folder), device
        model, processor = load_clip(self.folder)
        self.model, self.tokenizer = model.to(device), processor.tokenizer
        self.scale = model.logit_scale.exp().item()                         # cosine -> logit
        self.image_size = model.config.vision_config.image_size
        self.resize_to = processor.image_processor.size["shortest_edge"]
        self.mean, self.deviation = (torch.tensor(values, device=device).view(3, 1, 1) for values in
                                     (processor.image_processor.image_mean, processor.image_processor.image_std))

    @torch.inference_mode()
    def embed_words(self, words: Sequence[str], prompts: Sequence[str]) -> Tensor:
        """Each word in each prompt, averaged over the prompts. Returns [len(words), P], unit vectors."""
        sentences = [prompt.replace("{}", word) for word in words for prompt in prompts]
        vectors = torch.cat([self.embed_sentences(sentences[start:start + 256]) for start in range(0, len(sentences), 256)])
        return F.normalize(vectors.unflatten(0, (len(words), len(prompts))).mean(dim=1), dim=1).cpu()

    def embed_sentences(self, sentences: List[str]) -> Tensor:
        tokens = self.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt",
                                max_length=self.model.config.text_config.max_position_embeddings).to(self.device)
        pooled = self.model.text_model(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        return F.normalize(self.model.text_projection(pooled), dim=1)       # get_text_features differs between versions

    @torch.inference_mode()
    def embed_images(self, batches: Iterable[Tensor]) -> Tensor:
        """batches: [B, 3, S, S] uint8, from `loader`. Returns [n, P], unit vectors."""
        vectors = []
        for images in batches:
            pixels = (images.to(self.device, non_blocking=True).float() / 255 - self.mean) / self.deviation
            vectors.append({"images": F.normalize(self.model.visual_projection(self.model.vision_model(pixels).pooler_output), dim=1)})
        nothing = torch.empty(0, self.model.config.projection_dim)          # no image, no row
        return torch.cat([nothing, *(batch["images"].cpu() for batch in interleaved(vectors))])

    def loader(self, paths: Sequence[Path], batch_size: int, workers: int) -> DataLoader:
        """Batches of images as the checkpoint's processor wants them, but for its mean and deviation. Of several processes each has its own."""
        batches = mine(BatchSampler(range(len(paths)), batch_size, drop_last=False))
        return DataLoader(ClipImages(paths, self.resize_to, self.image_size), batch_sampler=batches, num_workers=workers,
                          pin_memory=self.device.type == "cuda")

    def weights_sha256(self) -> Dict[str, str]:
        return {file.name: sha256(file) for file in weight_files(self.folder)}


class ClipImages(Dataset):
    """[3, size, size] uint8: shorter side to `resize_to`, centre crop."""

    def __init__(self, paths: Sequence[Path], resize_to: int, size: int):
        self.paths, self.resize_to, self.size = paths, resize_to, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        image = TF.resize(read_image(self.paths[index]), self.resize_to, InterpolationMode.BICUBIC)
        return TF.pil_to_tensor(TF.center_crop(image, self.size))


def load_clip(folder: Path) -> Tuple[CLIPModel, CLIPProcessor]:
    """Both towers and the processor of a Hugging Face CLIP checkpoint, or an InputError that says what the folder lacks."""
    model = load_checkpoint(CLIPModel, folder)
    if not (folder / "tokenizer.json").is_file() and not ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()):
        raise InputError(f"{folder} has no tokenizer: sentences need its tokenizer.json, or its vocab.json and merges.txt")
    try:
        processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever the readers of json raise on a damaged file
        raise InputError(f"{folder} has no readable processor: {first_line(error)}; copy its tokenizer and preprocessor_config.json anew") from error
    if len(processor.tokenizer) > model.config.text_config.vocab_size:
        raise InputError(f"the tokenizer in {folder} has {len(processor.tokenizer)} tokens, but CLIP's text tower there knows "
                         f"{model.config.text_config.vocab_size}: use files that belong together")
    return model.eval(), processor


def sha256(path: Union[str, Path], skip: int = 0) -> str:
    """Of a file's content. skip: so many bytes at its beginning"""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(skip)
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


# ---- the class-attribute matrix --------------------------------------------------------------------------------------

def similarities(clip: Clip, attributes: Sequence[str], prompts: Sequence[str], words: Sequence[str], class_prompts: Sequence[str],
                 batches: Iterable[Tensor], labels: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Cosines of attribute sentences with class sentences and with images, each [C, A]; NaN for a class without images.

    words: what stands for each of the C classes in sentences
    batches: of the n images, from `clip.loader`;  labels: [n]
    """
    vectors = clip.embed_words(attributes, prompts)                         # [A, P]
    by_name, by_image = ((embedded @ vectors.T).double().numpy() for embedded in (clip.embed_words(words, class_prompts), clip.embed_images(batches)))
    return by_name, class_means(by_image, labels, len(words))


def class_means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """values: [n, A] of images;  labels: [n].  Returns [C, A], the mean of each class's images; NaN for a class without."""
    means = np.full((classes, values.shape[1]), np.nan)
    for c in np.unique(labels):
        means[c] = values[labels == c].mean(axis=0)
    return means


def standardize(values: np.ndarray, reference: Optional[np.ndarray] = None) -> np.ndarray:
    """Each column in units of its deviation from its mean over `reference` (default: over `values`); 0 where nothing varies."""
    reference = values if reference is None else reference
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    varies = deviation > 1e-9
    return np.where(varies, (values - mean) / np.where(varies, deviation, 1), 0)


def merge_sources(by_name: np.ndarray, by_image: np.ndarray, known: Optional[int] = None) -> np.ndarray:
    """Class-attribute similarities from two sources -> [C, A], standardised per attribute over the first `known` classes, or all.

    by_name:  [C, A] of class-name sentences
    by_image: [C, A] of images, NaN for a class that has none and is described by its name

    Image-text cosines lie lower than text-text ones, and spread otherwise. So before they share a column, either source is
    expressed relative to the same classes, those with images: "more runway than the seen classes have", in deviations.
    Classes that come after the `known` ones take their place among these and move none of them.
    """
    known = len(by_name) if known is None else known
    pictured = ~np.isnan(by_image).any(axis=1)
    reference = pictured & (np.arange(len(pictured)) < known)
    merged = standardize(by_name, by_name[reference] if reference.any() else by_name[:known])
    if reference.any():
        merged[pictured] = standardize(by_image[pictured], by_image[reference])
    return standardize(merged, merged[:known])


def unit_norm(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
