#!/usr/bin/env bash
# A page to try a run on, at http://127.0.0.1:7860: drop a picture, read its class, the reasons and the maps.
# Runs below runs/ and CLIPs below flax-community/ are found. Extra arguments go to app.py. It needs gradio:
#   .venv/bin/python -m pip install gradio
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

PORT=${PORT:-7860}                                  # of the address; the page is on this machine alone

run_model app --port "$PORT" "$@"
