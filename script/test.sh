#!/usr/bin/env bash
# The linter and the tests, on a machine with nothing but Python and pip: a process for each core, each with
# one thread. Extra arguments go to pytest.
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
"$(dirname "${BASH_SOURCE[0]}")/lint.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

cd "$ROOT"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$PYTHON" -m pytest tests -n auto --dist loadfile --no-loadscope-reorder "$@"
