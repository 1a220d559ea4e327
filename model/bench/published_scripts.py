"""The six published experiments, as their scripts say."""

import re
import shlex
from typing import Dict, List

from support.cli import REPOSITORY

EXPERIMENTS = (
    "01_zsl_40_30",
    "02_zsl_50_20",
    "03_zsl_60_10",
    "11_gzsl_40_30",
    "12_gzsl_50_20",
    "13_gzsl_60_10",
)


def script_options() -> Dict[str, List[str]]:
    """{experiment: the options that its script gives to main.py}"""
    found = {}
    for name in EXPERIMENTS:
        text = (REPOSITORY / "script" / f"{name}.sh").read_text(encoding="utf-8")
        (between,) = re.findall(r"^options=\((.*?)^\)", text, re.MULTILINE | re.DOTALL)
        found[name] = shlex.split(between, comments=True)
    return found
