"""Are the packages of requirements.txt there? If not, a newcomer's first program would end in a traceback."""

import sys
from importlib.util import find_spec
from pathlib import Path

# by the names under which the programs import them
NEEDED = (
    "torch",
    "torchvision",
    "transformers",
    "safetensors",
    "numpy",
    "scipy",
    "PIL",
    "tqdm",
    "matplotlib",
)
REPOSITORY = Path(__file__).resolve().parents[2]


def need_packages():
    """Ends with code 2 and one line if the running Python lacks some of them."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return
    environment = REPOSITORY / ".venv"
    if (environment / "bin" / "python").exists() and not Path(sys.prefix).samefile(environment):
        what_to_do = f"use the project's environment: source {environment / 'bin' / 'activate'}"
    else:
        what_to_do = "run ./script/setup.sh, then source .venv/bin/activate"
    print(f"error: {sys.executable} lacks {', '.join(missing)}: {what_to_do}", file=sys.stderr)
    sys.exit(2)
