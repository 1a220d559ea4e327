"""How a program ends that cannot go on: with one line on stderr, not with a traceback.

    2    what the user gave is wrong: an `InputError`
    130  interrupted by Ctrl-C
    141  nobody reads its output any more
    143  stopped by SIGTERM, as a queue sends it

A traceback is left for mistakes in the program itself.
"""

import functools
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import List, Union

from support.streams import NobodyReads, safe_streams
from support.workers import worker_failure

INTERRUPTED = (
    "interrupted: what is finished is kept, of a training the last whole epoch; "
    "the same command goes on from there"
)


class InputError(ValueError):
    """The user's input is wrong. Its message says what was expected, what was found, where, what to do."""

    def __str__(self) -> str:
        """The message alone: a worker of a DataLoader puts its own traceback in front of it."""
        return super().__str__().rsplit("InputError: ", 1)[-1].strip()


def not_found(path: Union[str, Path], wanted: str = "file") -> str:
    """In words, why there is no such thing at a path.  wanted: "file" or "folder" """
    if os.path.isdir(path):
        return f"{path} is a folder, where a file is expected"
    if os.path.isfile(path):
        return f"{path} is a file, where a folder is expected"
    return f"no such {wanted}: {path}"


def one_line(text: str) -> str:
    r"""The text with every unprintable character escaped, a line break as \n: names may hold anything."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def first_line(error: BaseException) -> str:
    """The first line of another library's message, or the name of the error if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_distributed() -> bool:
    """Did torchrun start this process, and others beside it?"""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def may_print_error() -> bool:
    """Is this process the first to fail? The others fail with it and say nothing: the user reads one line.

    torchrun gives every process a file for an error report, <attempt>/<local rank>/error.json. The first
    process to create a file in the folder <attempt> prints. With several machines each has its own line.
    """
    report = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not is_distributed() or not report:
        return True
    try:
        (Path(report).parents[1] / "error_is_printed").touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # torchrun has gone and taken the folder with it
        return True
    return True


@contextmanager
def sigterm_interrupts():
    """SIGTERM raises KeyboardInterrupt, as Ctrl-C does. Yields a list of the SIGTERMs that came.

    Python drops an exception that is raised in a callback, such as `__del__`: the program would run on as if
    no signal had come. Then the signal is sent again a moment later, when the callback has returned.
    """
    received: List[int] = []
    if threading.current_thread() is not threading.main_thread():  # which alone receives signals
        yield received
        return
    former_handler = signal.getsignal(signal.SIGTERM)
    former_hook = sys.unraisablehook

    def interrupt(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    def send_again(dropped):
        if isinstance(dropped.exc_value, KeyboardInterrupt):
            number = signal.SIGTERM if received else signal.SIGINT
            threading.Timer(0.1, os.kill, [os.getpid(), number]).start()
        else:
            former_hook(dropped)

    signal.signal(signal.SIGTERM, interrupt)
    sys.unraisablehook = send_again
    try:
        yield received
    finally:
        sys.unraisablehook = former_hook
        signal.signal(signal.SIGTERM, former_handler)


def exits_cleanly(program):
    """Decorate a program's `main`, so that it ends as the module's docstring says.

    Of several processes the first one alone prints to stdout.
    """

    @functools.wraps(program)
    def run(*args, **kwargs):
        with safe_streams(), sigterm_interrupts() as received:
            if is_distributed() and os.environ["RANK"] != "0":
                sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            try:
                return program(*args, **kwargs)
            except NobodyReads:
                may_print_error()  # the other processes fail with this one, and say nothing
                raise
            except InputError as error:
                code, line = 2, f"error: {one_line(str(error))}"
            except KeyboardInterrupt:
                code, line = 130, f"\n{INTERRUPTED}"
            except Exception as error:
                # After a SIGTERM: a DataLoader complains of its worker, which got one too.
                # In another than the first process to fail: its connection to that one is broken.
                reason = worker_failure(error)
                if not received and not reason and may_print_error():
                    raise
                code, line = 2, f"error: {reason}"
            if received:
                code, line = 143, f"\n{INTERRUPTED}"
            if may_print_error():
                print(line, file=sys.stderr)
            sys.exit(code)

    return run
