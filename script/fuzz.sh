#!/usr/bin/env bash
# Bad input, longer than the tests: FUZZ=20000 generated cases, others each time (SEED=7 repeats them). Extra arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

need $PROGRAMS $TESTS
cd "$ROOT"
FUZZ=${FUZZ:-20000} exec "$PYTHON" -m pytest tests/test_bad_*.py --hypothesis-seed="${SEED:-$RANDOM}" "$@"
