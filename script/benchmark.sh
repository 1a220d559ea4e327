#!/usr/bin/env bash
# Speed against the machine's own limit, the passes of the CLIP tower: ViT-B/32 of random weights,
# random pictures, nothing is downloaded.
# Extra arguments go to benchmark.py, which hands those of main.py on: --as_published, --precision
# bf16, --cache device, ...
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

OUTPUT=${OUTPUT:-$ROOT/runs/benchmark.json}         # all that was measured
mkdir -p "$(dirname "$OUTPUT")"

run_model benchmark --json "$OUTPUT" "$@"
