"""CLIP: checkpoints, sentences and images as vectors, class-attribute matrices, training on captions.

Stands on `data` and `support`, and imports nothing else of ours.

To read a checkpoint, start with `checkpoint.py`, where every file of one is checked; then `embed.py`.
`embeddings.py` keeps what it makes of pictures, for all programs, in the file of `embedding_file.py`.
What a file or folder is that was given as one: `kinds.py`. How its pictures are prepared: `processor.py`.
`silence.py` keeps transformers from printing.
What CLIP says of classes and attributes is in `attributes.py` and `description.py`.
Training is `contrastive.py` (the loss and one epoch), on what `captions.py` and `picture_batches.py` read.

From a notebook:

    from clip import Clip
    clip = Clip(Path("flax-community/clip-rsicd"), torch.device("cpu"))
    images = clip.embed_images(clip.loader(paths, batch_size=64, workers=2))       # [n, P]
    words = clip.embed_words(["airport", "harbour"], ["a satellite image of a {}."])  # [2, P]
    cosines = images @ words.T
"""

from clip.embed import Clip

__all__ = ["Clip"]
