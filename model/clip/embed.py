"""A whole CLIP that embeds sentences and images."""

from pathlib import Path
from typing import Dict, Iterable, List, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from clip.checkpoint import load_clip, weight_files
from data.images import read_image
from support.files import sha256
from support.processes import gather_batches, shard


class Clip:
    """A whole CLIP, text and image tower, that embeds words and images as unit vectors."""

    def __init__(self, folder: Path, device: torch.device):
        self.folder, self.device = Path(folder), device
        model, processor = load_clip(self.folder)
        self.model, self.tokenizer = model.to(device), processor.tokenizer
        self.scale = model.logit_scale.exp().item()  # cosine -> logit
        self.image_size = model.config.vision_config.image_size
        self.resize_to = processor.image_processor.size["shortest_edge"]
        self.mean, self.deviation = (
            torch.tensor(values, device=device).view(3, 1, 1)
            for values in (processor.image_processor.image_mean, processor.image_processor.image_std)
        )

    @torch.inference_mode()
    def embed_words(self, words: Sequence[str], prompts: Sequence[str]) -> Tensor:
        """Each word in each prompt, averaged over the prompts. Returns [len(words), P], unit vectors."""
        sentences = [prompt.replace("{}", word) for word in words for prompt in prompts]
        vectors = torch.cat(
            [self.embed_sentences(sentences[start : start + 256]) for start in range(0, len(sentences), 256)]
        )
        return F.normalize(vectors.unflatten(0, (len(words), len(prompts))).mean(dim=1), dim=1).cpu()

    def embed_sentences(self, sentences: List[str]) -> Tensor:
        tokens = self.tokenizer(
            sentences,
            padding=True,
            truncation=True,
            return_tensors="pt",
            max_length=self.model.config.text_config.max_position_embeddings,
        ).to(self.device)
        pooled = self.model.text_model(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        return F.normalize(
            self.model.text_projection(pooled), dim=1
        )  # get_text_features differs between versions

    @torch.inference_mode()
    def embed_images(self, batches: Iterable[Tensor]) -> Tensor:
        """batches: [B, 3, S, S] uint8, from `loader`. Returns [n, P], unit vectors."""
        vectors = []
        for images in batches:
            pixels = (images.to(self.device, non_blocking=True).float() / 255 - self.mean) / self.deviation
            vectors.append(
                {
                    "images": F.normalize(
                        self.model.visual_projection(self.model.vision_model(pixels).pooler_output), dim=1
                    )
                }
            )
        nothing = torch.empty(0, self.model.config.projection_dim)  # no image, no row
        return torch.cat([nothing, *(batch["images"].cpu() for batch in gather_batches(vectors))])

    def loader(self, paths: Sequence[Path], batch_size: int, workers: int) -> DataLoader:
        """Batches of images as the checkpoint's processor wants them, but for its mean and deviation. Of several processes each has its own."""
        batches = shard(BatchSampler(range(len(paths)), batch_size, drop_last=False))
        return DataLoader(
            ClipImages(paths, self.resize_to, self.image_size),
            batch_sampler=batches,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
        )

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
