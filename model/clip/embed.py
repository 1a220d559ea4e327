"""A CLIP that embeds sentences and images in one space.

Shapes: `n` images, `P` dimensions of CLIP's common space.
"""

from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import BatchSampler

from clip.checkpoint import check_embeddings, load_both_towers, weight_files
from data.images import READING, printable
from data.pipeline import DeviceLoader, Images, image_loader
from support.files import sha256
from support.machine import processor
from support.notes import note_new
from support.processes import gather_stream, shard

SENTENCES_AT_ONCE = 256
SHOWN_LETTERS = 60  # of a sentence that is too long
ARITHMETIC = ("torch", "torchvision", "transformers", "pillow")  # libraries that make a vector of a picture


class Clip:
    """Text and image tower of a checkpoint, which embed words and images as vectors of length 1.

    preprocessing: how its processor wants pictures
    scale:         from a cosine to a logit
    """

    def __init__(self, folder: Path, device: torch.device):
        self.folder = Path(folder)
        self.device = device
        model, processor = load_both_towers(self.folder)
        self.model = model.to(device)
        self.tokenizer = processor.tokenizer
        self.preprocessing = processor.preprocessing
        self.scale = model.logit_scale.exp().item()

    @torch.inference_mode()
    def embed_words(self, words: Sequence[str], prompts: Sequence[str]) -> Tensor:
        """Each word in each prompt, in which {} stands for it, averaged over the prompts.

        Returns [len(words), P] on the CPU.
        """
        sentences = [prompt.replace("{}", word) for word in words for prompt in prompts]
        vectors = []
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            vectors.append(self.embed_sentences(sentences[start : start + SENTENCES_AT_ONCE]))
        by_word = torch.cat(vectors).unflatten(0, (len(words), len(prompts)))
        return F.normalize(by_word.mean(dim=1), dim=1).cpu()

    def token_directions(self, words: Sequence[str], prompts: Sequence[str]) -> Tensor:
        """[len(words), D]: the words' vectors, carried back into the space of the vision tower's tokens."""
        return self.embed_words(words, prompts) @ self.model.visual_projection.weight.detach().cpu()

    def embed_sentences(self, sentences: List[str]) -> Tensor:
        """-> [len(sentences), P] on the device. Says so if one is longer than the text tower can read."""
        tokens = self.tokenizer(
            sentences,
            padding=True,
            truncation=True,
            max_length=self.context,
            return_tensors="pt",
        ).to(self.device)
        if tokens["input_ids"].shape[1] == self.context:  # as long as the longest: it may have been cut
            self.check_lengths(sentences)
        pooled = self.model.text_model(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        # not get_text_features, which differs between versions of transformers
        vectors = F.normalize(self.model.text_projection(pooled), dim=1)
        return check_embeddings(vectors, "sentences", self.folder)

    @property
    def context(self) -> int:
        """How many tokens of a sentence the text tower can read, with those of its start and end."""
        return self.model.config.text_config.max_position_embeddings

    def check_lengths(self, sentences: List[str]):
        """Say which sentence is cut off, the first one."""
        one_more = self.tokenizer(sentences, truncation=True, max_length=self.context + 1)["input_ids"]
        for sentence, tokens in zip(sentences, one_more):
            if len(tokens) > self.context:
                note_new(
                    f"this CLIP reads {self.context - 2} tokens of a sentence, about as many words. The end "
                    f'of "{printable(sentence[:SHOWN_LETTERS])} ..." is not read: shorten it'
                )
                return

    def embed_images(self, batches: Iterable[Tuple[Tensor, Tensor]]) -> Tensor:
        """batches: from `loader`, of this process's shard.  Returns [n, P] of all n images, on the CPU."""
        no_image = torch.empty(0, self.model.config.projection_dim)
        return torch.cat([no_image, *self.embed_batches(batches)])

    def embed_batches(self, batches: Iterable[Tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
        """The same batch after batch, [B, P] each, those of all processes in their order."""
        return gather_stream(self.image_vectors(images) for images, _ in batches)

    @torch.inference_mode()
    def image_vectors(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] on the device -> [B, P] on the CPU."""
        pooled = self.model.vision_model(images).pooler_output
        vectors = F.normalize(self.model.visual_projection(pooled), dim=1)
        return check_embeddings(vectors, "pictures", self.folder).cpu()

    def loader(self, paths: Sequence[Path], batch_size: int, workers: int) -> DeviceLoader:
        """Batches as `embed_images` takes them. Of several processes each has its shard of the batches."""
        batches = shard(BatchSampler(range(len(paths)), batch_size, drop_last=False))
        return image_loader(Images(paths, self.preprocessing), batches, workers, self.device)

    def weights_sha256(self) -> Dict[str, str]:
        """{name of a file of weights: its checksum}"""
        return dict(self.checksums)

    @cached_property
    def checksums(self) -> Dict[str, str]:
        """Computed once: a file of weights may have gigabytes."""
        return {file.name: sha256(file) for file in weight_files(self.folder)}

    def identity(self) -> Dict[str, Any]:
        """All on which a picture's vector depends, beside the picture and its batch."""
        tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        return {
            "weights": list(self.checksums.values()),
            "config": sha256(self.folder / "config.json"),
            "dimensions": self.model.config.projection_dim,
            "preprocessing": asdict(self.preprocessing),
            "reading": READING,
            "precision": str(self.model.dtype),
            "tf32": list(tf32) if self.device.type == "cuda" else [],
            "device": processor(self.device),
            "versions": {name: version(name) for name in ARITHMETIC},
        }
