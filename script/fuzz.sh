#!/usr/bin/env bash
# Bad input, longer than the tests: FUZZ=20000 generated cases, others each time (SEED=7 repeats them).
# Extra arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

need $PROGRAMS $TESTS
cd "$ROOT"
tests=$(find tests -name "test_bad_*.py" | sort)
FUZZ=${FUZZ:-20000} exec "$PYTHON" -m pytest $tests --hypothesis-seed="${SEED:-$RANDOM}" "$@"
