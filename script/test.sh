#!/usr/bin/env bash
# The linter and the tests, on a machine with nothing but Python and pip. Extra arguments go to pytest.
"$(dirname "${BASH_SOURCE[0]}")/setup.sh" || exit
"$(dirname "${BASH_SOURCE[0]}")/lint.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

cd "$ROOT"
exec "$PYTHON" -m pytest tests "$@"
