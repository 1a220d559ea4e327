"""What can be timed, and how large it is. Nothing here imports torch, for which --help would wait."""

SIZES = {  # of ViT-B/32, the tower of CLIP-RSICD
    "width": 768,
    "layers": 12,
    "heads": 12,
    "image_size": 224,
    "patch_size": 32,
}
STEPS = {  # full: everything learns;  windows: a second look
    "warm-up": (False, False),
    "warm-up+windows": (False, True),
    "full": (True, False),
    "full+windows": (True, True),
}
KEPT = "evaluation+kept"  # of which an earlier one has kept the tokens, as main.py does in warm-up
EVALUATIONS = {"evaluation": False, "evaluation+windows": True, KEPT: False}  # with windows?
ROWS = (*STEPS, *EVALUATIONS, "loading")
