#!/usr/bin/env bash
# The tests with the oldest versions that requirements.txt allows, in an environment of their own: .floor,
# 5 GB, which is removed at the end. KEEP=1 keeps it, to be used again. Extra arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

FLOOR="$ROOT/.floor"
[ "${KEEP:-}" ] || trap 'rm -rf "$FLOOR"' EXIT
if [ ! -e "$FLOOR/ready" ]; then
  for version in 3.9 3.10 3.11; do  # newer ones have no torch 2.1
    for OLD in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python; do
      "$OLD" -c '' 2> /dev/null && break 2
      OLD=
    done
  done
  if [ ! "$OLD" ]; then
    echo "error: torch 2.1 needs Python 3.9, 3.10 or 3.11," \
      "and none is in PATH or in ~/.pyenv/versions: install one" >&2
    exit 2
  fi
  echo "installing the oldest versions for $("$OLD" --version) into $FLOOR, which takes some minutes"
  "$OLD" -m venv --clear "$FLOOR"
  # torch 2.1 knows numpy 1
  sed -E 's/#.*//; s/>=([0-9.]+)/==\1.*/; s/^numpy *$/numpy<2/' \
    "$ROOT/requirements.txt" > "$FLOOR/requirements.txt"
  "$FLOOR/bin/python" -m pip install --quiet --disable-pip-version-check -r "$FLOOR/requirements.txt"
  touch "$FLOOR/ready"
fi
PYTHON="$FLOOR/bin/python" "$ROOT/script/test.sh" "$@"
