# Sourced by every script: where the repository is, and which Python runs it (PYTHON, an active environment, .venv, the system's).
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PYTHON=${PYTHON:-$(command -v "${VIRTUAL_ENV:-$ROOT/.venv}/bin/python" || command -v python3 || command -v python)} ||
  { echo "error: no Python in PATH: install 3.9 or newer, or set PYTHON" >&2; exit 2; }

PROGRAMS="torch torchvision transformers numpy scipy PIL tqdm matplotlib"  # need these packages of requirements.txt
TESTS="pytest hypothesis ruff mypy"                                        # these too

has() {  # has PACKAGE...: is each of them there?
  "$PYTHON" -c 'import sys; from importlib.util import find_spec; sys.exit(any(find_spec(name) is None for name in sys.argv[1:]))' "$@"
}

need() {
  has "$@" || { echo "error: $PYTHON lacks some of requirements.txt: run ./script/setup.sh, or set PYTHON" >&2; exit 2; }
}

run_model() {  # run_model NAME OPTIONS...: python model/NAME.py
  need $PROGRAMS
  "$PYTHON" "$ROOT/model/$1.py" "${@:2}"
}
