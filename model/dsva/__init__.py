"""The method: what the paper describes, and a recipe of our own.

network       CLIP's tokens -> attention maps and two branches -> class scores; the second look at a window
windows       attention maps -> window boxes -> crops
losses        every term of the loss
engine        the schedule, one epoch of training, one evaluation
kept_tokens   the tokens of test images, while the tower stands still
metrics       accuracy, calibrated stacking, seen-unseen curve, localization
protocol      how epoch and calibration constant may be chosen
words         ours: heads that start from CLIP's sentences
discriminant  ours: classes told apart by attributes that are correlated

It may import `clip`, `data` and `support`. It knows no options, no files and no checkpoints.
Start with network.py, then losses.py and engine.py.
A new loss term is an entry in `Criterion.forward`, and its weight in `LOSS_WEIGHTS` of runs/options.py.

From a notebook, with model/ on the path (`sys.path.insert(0, "model")`):

    from pathlib import Path
    from clip.checkpoint import load_tower
    from dsva import DSVA
    model = DSVA(load_tower(Path("flax-community/clip-rsicd")), attributes=98)
    out = model(images, class_attributes)   # [B, 3, S, S], normalised, and M [A, C]
    out.attention.softmax(dim=1)            # [B, C] class probabilities of the attention branch
    out.maps                                # [B, A, G, G] attention maps
"""

from dsva.engine import Schedule
from dsva.losses import Criterion
from dsva.network import DSVA

__all__ = ["DSVA", "Criterion", "Schedule"]
