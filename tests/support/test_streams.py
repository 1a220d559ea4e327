"""Printing never breaks a program: letters that a console lacks, readers that have gone, closed streams."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.errors import exits_cleanly

MODEL = Path(__file__).parents[2] / "model"
START = f"""import sys
sys.path.insert(0, {str(MODEL)!r})
from support.errors import InputError, exits_cleanly
from support.streams import go_on_unread
"""

CHATTY = """
@exits_cleanly
def main():
    for number in range(3000):
        print('line', number, flush=True)
    open(sys.argv[1], 'w', encoding='utf-8').write('finished')
main()"""
TRAINING = CHATTY.replace("def main():", "def main():\n    go_on_unread()")
QUICK = """
@exits_cleanly
def main():
    sys.stdin.readline()
    print('it is only written when the program ends')
main()"""


def start(program: str, *words, **how) -> subprocess.Popen:
    command = [sys.executable, "-c", START + program, *map(str, words)]
    return subprocess.Popen(command, encoding="utf-8", **{"stderr": subprocess.PIPE, **how})


def shell(program: str, redirection: str, **variables) -> subprocess.CompletedProcess:
    """What bash makes of `python program redirection`."""
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, START + program],
        capture_output=True,
        env={**os.environ, **variables},
    )


def after_first_line(program: str, *words) -> tuple:
    """Exit code and stderr of a program, as in `program | head -1`."""
    process = start(program, *words, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        said = process.stderr.read()
    return process.wait(), said


# ---- a reader that has gone ------------------------------------------------------------------------


def test_a_program_whose_reader_has_gone_ends_quietly(tmp_path):
    assert after_first_line(CHATTY, tmp_path / "file") == (141, "")
    assert not (tmp_path / "file").exists()


def test_a_training_goes_on_to_its_results(tmp_path):
    assert after_first_line(TRAINING, tmp_path / "file") == (0, "")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "finished"


def test_nobody_reads_what_is_written_at_the_end():
    process = start(QUICK, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.close()
    _, said = process.communicate("\n")
    assert (process.returncode, said) == (141, "")


@pytest.mark.parametrize("program, code", [(CHATTY, 0), (TRAINING, 0)])
def test_a_closed_stderr_ends_no_program(tmp_path, program, code):
    noisy = program.replace("print(", "print('warning', file=sys.stderr); print(")
    process = start(noisy, tmp_path / "file", stdout=subprocess.DEVNULL)
    process.stderr.readline()
    process.stderr.close()
    assert process.wait() == code and (tmp_path / "file").exists()


def test_an_error_keeps_its_code_when_nobody_reads_it():
    wrong = """
@exits_cleanly
def main():
    raise InputError('x')
main()"""
    done = shell(wrong, "2>&-")
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_full_disk_below_stdout_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell("exits_cleanly(lambda: print('x'))()", "> /dev/full")
    assert done.returncode == 2 and done.stderr.startswith(b"error: cannot write to stdout: No space left")
    assert done.stderr.count(b"\n") == 1


# ---- no stream at all ------------------------------------------------------------------------------


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_without_a_stream_files_keep_what_belongs_to_them(tmp_path, redirection):
    file = tmp_path / "file"
    program = f"""
import os
@exits_cleanly
def main():
    with open({str(file)!r}, 'w', encoding='utf-8') as opened:
        print('printed'); print('printed', file=sys.stderr)
        os.system('echo printed; echo printed >&2')
        opened.write('content')
main()"""
    assert shell(program, redirection).returncode == 0
    assert file.read_text(encoding="utf-8") == "content"


# ---- letters that a console lacks ------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "cp1252"])
def test_what_a_console_lacks_is_escaped(encoding):
    program = "exits_cleanly(lambda: print('港口 Ü \U0001f6f0'))()"
    done = shell(program, "", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    shown = "港口 Ü \U0001f6f0".encode(encoding, "backslashreplace")
    assert done.stdout.strip() == shown


def test_streams_are_put_back():
    before = sys.stdout, sys.stderr
    exits_cleanly(lambda: print("x"))()
    assert (sys.stdout, sys.stderr) == before
