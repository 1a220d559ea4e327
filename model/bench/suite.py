"""The project's own tests on the device: parity with the authors' program, and those that are marked gpu."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import List, Optional, Tuple
from xml.etree import ElementTree

import torch

from bench.checks import Check, check
from support.cli import REPOSITORY
from support.errors import InputError

TESTS = REPOSITORY / "tests"
PARITY = TESTS / "dsva" / "test_parity.py"
PATIENCE = 600  # seconds


def check_suite(folder: Path, device: torch.device, small: bool) -> List[Check]:
    """Run them. They report into the folder.  small: one case of parity alone"""
    report = folder / "tests.xml"
    said = run_tests(report, device, small)
    return [
        check(
            "parity with the authors' program",
            "all tests pass",
            lambda: outcome(report, said, is_parity=True),
        ),
        check(gpu_tests(device), "all tests pass", lambda: outcome(report, said, is_parity=False)),
    ]


def gpu_tests(device: torch.device) -> str:
    """What they are called, where they run."""
    return "tests marked gpu" + ("" if device.type == "cuda" else f", run on the {device.type.upper()}")


def run_tests(report: Path, device: torch.device, small: bool) -> Optional[str]:
    """What pytest says; None where it, or the tests, are not installed."""
    if not find_spec("pytest") or not PARITY.is_file():
        return None
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
    command += ["--junitxml", str(report), *map(str, [PARITY, *marked_files()])]
    if small:
        command += ["-k", "not case64 and not case_b"]
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "TEST_DEVICE": str(device)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not finished after {PATIENCE} s"
    return done.stdout + done.stderr


def marked_files() -> List[Path]:
    """The test files with tests that are marked gpu. Others need not be imported."""
    files = sorted(TESTS.rglob("test_*.py"))
    return [file for file in files if "mark.gpu" in file.read_text(encoding="utf-8")]


def outcome(report: Path, said: Optional[str], is_parity: bool) -> Tuple[str, Optional[bool]]:
    """How many tests passed, and the first that failed.  is_parity: of PARITY, or of all other files"""
    if said is None:
        return "pytest is not installed: ./script/setup.sh installs it", None
    if not report.is_file():
        raise InputError(f"pytest wrote no report: {said.strip().splitlines()[-1:]}")
    passed = 0
    failed = []
    for case in ElementTree.parse(report).iter("testcase"):
        if case.get("classname", "").endswith(PARITY.stem) != is_parity:
            continue
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        if problem is not None:
            failed.append(f"{case.get('name')}: {problem.get('message', '')[:100]}")
        elif case.find("skipped") is None:
            passed += 1
    if failed:
        return f"{len(failed)} failed, {failed[0]}", False
    return f"{passed} passed", passed > 0
