# Sourced by every script: where the repository is, and which Python runs it: PYTHON, that of an active
# environment, that of .venv, or the system's.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
find_python() {
  command -v "${VIRTUAL_ENV:-$ROOT/.venv}/bin/python" || command -v python3 || command -v python
}
PYTHON=${PYTHON:-$(find_python)} ||
  { echo "error: no Python in PATH: install 3.9 or newer, or set PYTHON" >&2; exit 2; }

# the packages of requirements.txt under the names by which they are imported
PROGRAMS="torch torchvision transformers numpy scipy PIL tqdm matplotlib"
TESTS="pytest xdist hypothesis ruff mypy importlinter open_clip"

has() {  # has PACKAGE...: is each of them there?
  local missing='any(find_spec(name) is None for name in sys.argv[1:])'
  "$PYTHON" -c "import sys; from importlib.util import find_spec; sys.exit($missing)" "$@"
}

need() {  # need PACKAGE...: or this script ends
  has "$@" && return
  echo "error: $PYTHON lacks some of requirements.txt: run ./script/setup.sh, or set PYTHON" >&2
  exit 2
}

duration() {  # how long this script has taken
  echo "in all $((SECONDS / 60)) minutes $((SECONDS % 60)) seconds"
}

set_by() {  # set_by VARIABLE OPTION ARGUMENTS...: ends the script if OPTION is given, which VARIABLE sets
  local variable=$1 option=$2 word
  for word in "${@:3}"; do
    [ "${word%%=*}" = "$option" ] || continue
    echo "error: $option is the same in all steps of this script: set $variable in front of it" >&2
    exit 2
  done
}

run_model() {  # run_model NAME OPTIONS...: python model/NAME.py
  need $PROGRAMS
  "$PYTHON" "$ROOT/model/$1.py" "${@:2}"
}
