"""Naming images with a CLIP alone: no training, no dataset, classes in words or pictures.

An image is as probable a class as CLIP's own softmax says: of the cosines between its vector and those of the
classes, times CLIP's scale. An attribute's "share" is the same among the attributes of a vocabulary: what
CLIP sees in the image, whatever class that speaks for. Nothing is compared with other images, so an image is
told the same in any folder. On AID's 10,000 photographs these cosines order the attributes of an image as
they do when each is standardised over all images (correlation 0.98 with clip-rsicd-tiny); less those of
neutral sentences, or of the mean attribute, they do so less well (0.77, 0.90).

Shapes: `K` classes, `A` attributes, `n` pictures, `P` dimensions of CLIP's common space.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS
from clip.embed import Clip
from clip.embeddings import Embeddings, Kept
from data.pipeline import Normalize
from inference.candidates import NamedCandidates
from inference.classifier import BaseClassifier, Looked, from_python, six_digits
from inference.new_classes import (
    SHOWN_NAMES,
    NewClass,
    check_names,
    checked_classes,
    phrases,
    print_asked,
)
from support.notes import first_of

PICTURE_RIDGE = 0.1  # of pictures among names: see `as_words`

BETTER = (
    "a trained run usually names better than CLIP alone, and shows where it looks. Labelled images of some "
    "classes, in a folder for each, are enough: ./script/my_images.sh FOLDER trains it"
)


class ClipClassifier(BaseClassifier):
    """A CLIP, and the K classes that it chooses from."""

    told = ("share",)

    def __init__(
        self,
        clip: Clip,
        classes: Sequence[NewClass],
        attributes: Sequence[str],
        class_prompts: Optional[Sequence[str]] = None,
        kept: Optional[Kept] = None,
    ):
        """classes:       by name, description or pictures
        attributes:    [A], the vocabulary that images are told with
        class_prompts: sentences in which names stand; {} is the name
        kept:          embeddings of pictures from earlier, if any are kept

        Raises InputError if two classes have one name, or a picture of a class cannot be read.
        """
        check_names([c.name for c in classes], [], "--names")
        self.clip = clip
        self.classes = list(classes)
        self.class_prompts = list(class_prompts or CLASS_PROMPTS)
        self.attribute_names = list(attributes)
        self.preprocessing = clip.preprocessing
        self.device = clip.device
        self.normalize = Normalize(clip.preprocessing).to(clip.device)
        self.attribute_vectors = clip.embed_words(attributes, ATTRIBUTE_PROMPTS).double()  # [A, P]
        self.class_vectors = self.embed_classes(kept or Kept(None, Path()))  # [K, P]
        kinds = [c.source() for c in classes]
        self.candidates = NamedCandidates([c.name for c in classes], kinds, calibration=0.0)

    def embed_classes(self, kept: Kept) -> Tensor:
        """[K, P]"""
        is_pictured = torch.tensor([bool(c.pictures) for c in self.classes])
        embeddings = Embeddings(self.clip, kept)
        vectors = []
        for c in self.classes:
            if c.pictures:
                paths = [Path(picture) for picture in c.pictures]
                found = embeddings.embed(paths, batch_size=64, workers=0)
            elif c.is_named():
                found = self.clip.embed_words([c.words], self.class_prompts)
            else:  # its phrases are attributes of which each counts the same
                found = self.clip.embed_words(phrases(c), ATTRIBUTE_PROMPTS)
            vectors.append(F.normalize(found.double().mean(dim=0), dim=0))
        together = torch.stack(vectors)
        if is_pictured.any() and not is_pictured.all():
            in_words = together[~is_pictured]
            together[is_pictured] = as_words(together[is_pictured], in_words, self.attribute_vectors)
        return together

    def with_classes(self, *new: Union[str, NewClass]) -> "ClipClassifier":
        classes = [*self.classes, *checked_classes(new, "with_classes")]
        with from_python():
            return ClipClassifier(self.clip, classes, self.attribute_names, self.class_prompts)

    @torch.inference_mode()
    def look(self, images: Tensor, maps: bool = False) -> Looked:
        """Probabilities of the classes and of the attributes, each among its own kind. It has no maps."""
        on_device = images.to(self.device, non_blocking=True)
        vectors = self.clip.image_vectors(self.normalize(on_device)).double()  # [B, P]
        of_classes = (self.clip.scale * vectors @ self.class_vectors.T).softmax(dim=1)
        of_attributes = (self.clip.scale * vectors @ self.attribute_vectors.T).softmax(dim=1)
        return Looked(of_classes.numpy(), of_attributes.numpy())

    def tell_attributes(self, looked: Looked, image: int, most: int) -> dict:
        """What CLIP sees most, whatever the class: no reasons for it."""
        scores = looked.attributes[image]
        entries = []
        for a in np.argsort(-scores, kind="stable")[:most]:
            entries.append({"attribute": self.attribute_names[a], "share": six_digits(scores[a])})
        return {"attributes": entries}

    def fingerprint(self) -> str:
        """Of all that decides, beside the options, what an image is called."""
        weights = list(self.clip.weights_sha256().values())
        digest = hashlib.sha256(f"{weights} {self.clip.scale} {asdict(self.preprocessing)}".encode())
        digest.update(f"{self.candidates.names} {self.attribute_names}".encode())
        for vectors in (self.class_vectors, self.attribute_vectors):
            digest.update((np.round(vectors.numpy(), 4) + 0.0).tobytes())  # no -0
        return digest.hexdigest()

    def print_candidates(self):
        """Which classes there are, and what CLIP is asked about them."""
        print(f"classes {len(self.classes)}, named by CLIP alone, as it is in {self.clip.folder}")
        by_kind: Dict[str, List[str]] = {}
        for c in self.classes:
            by_kind.setdefault(c.source(), []).append(c.name)
        for kind, names in by_kind.items():
            print(f"        by {kind}: {first_of(names, SHOWN_NAMES)}")
        print_asked(self.classes, self.class_prompts, ATTRIBUTE_PROMPTS)
        print(f"note: {BETTER}")


def as_words(pictured: Tensor, in_words: Tensor, attributes: Tensor) -> Tensor:
    """Classes by pictures, brought to where words lie: so they compete with classes in words.

    pictured: [n, P], means of pictures;  in_words: [m, P];  attributes: [A, P].  Returns [n, P].

    A picture is nearer to pictures than to any sentence: as they are, pictured classes would swallow images.
    What they have of the attributes' directions (a ridge regression) is kept, around the mean attribute, and
    made as long as that of the classes in words is on average.

    Measured on AID's photographs with clip-rsicd-tiny, half of the 30 classes by name and half by five
    photographs, three draws: 72.9 % are named right, and 49 % are given to pictured classes, where 50 % would
    be right. Left as they are: 70.1 % and 62 %. All by name: 72.2 %; all by photographs: 73.2 %.
    """
    centre = attributes.mean(dim=0)
    directions = attributes - centre  # [A, P]
    gram = directions @ directions.T
    gram += (PICTURE_RIDGE * gram.diagonal().mean() + 1e-9) * torch.eye(len(gram), dtype=gram.dtype)
    project = directions.T @ torch.linalg.solve(gram, directions)  # [P, P]
    kept = (pictured - centre) @ project
    length = ((in_words - centre) @ project).norm(dim=1).mean()
    return centre + kept * length / kept.norm(dim=1).mean().clamp(min=1e-12)
