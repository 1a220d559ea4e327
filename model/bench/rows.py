"""What can be timed. Nothing here imports torch, for which `benchmark.py --help` would wait."""

STEPS = {  # full: everything learns;  windows: a second look
    "warm-up": (False, False),
    "warm-up+windows": (False, True),
    "full": (True, False),
    "full+windows": (True, True),
}
EVALUATIONS = {"evaluation": False, "evaluation+windows": True}
ROWS = (*STEPS, *EVALUATIONS, "loading")
