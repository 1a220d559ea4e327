"""What the user gave is wrong: one clear line and exit code 2, never a traceback."""

import functools
import os
import signal
import sys
import threading
from datetime import timedelta


class InputError(ValueError):
    """Says what was expected, what was found, where, and what to do. Raised where the fact is known."""

    def __str__(self) -> str:
        # a DataLoader worker wraps the message in its own traceback: keep ours
        return super().__str__().rsplit("InputError: ", 1)[-1].strip()


def one_line(text: str) -> str:
    """What names and other people's messages hold may break a line, or steer a terminal: then it is spelled out."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def first_line(error: BaseException) -> str:
    """Of another library's error: what it says first, or, if it says nothing, of which kind it is."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_distributed() -> bool:
    """Did torchrun start this process, with others?"""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def may_print_error() -> bool:
    """Of processes that work together one alone says what is wrong, the first to find it: others know of it, or only that one is gone."""
    if not is_distributed():
        return True
    from torch.distributed import TCPStore  # which takes seconds to import

    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=10),
        )
        return store.add(f"told {os.environ['TORCHELASTIC_RESTART_COUNT']}", 1) == 1
    except TimeoutError:  # torch 2.1 has no store before the processes have met; until then all find the same
        return os.environ["RANK"] == "0"
    except RuntimeError:  # torchrun itself is gone
        return True


def exits_cleanly(program):
    """Decorate a program's `main`: wrong input ends with code 2, Ctrl-C with 130, SIGTERM with 143, each with one line."""

    @functools.wraps(program)
    def run(*args, **kwargs):
        received = []

        def stop(number, frame):
            received.append(number)
            raise KeyboardInterrupt

        def swallowed(lost):
            if not isinstance(lost.exc_value, KeyboardInterrupt):
                return former_hook(lost)
            threading.Timer(
                0.1, signal.raise_signal, [received[-1] if received else signal.SIGINT]
            ).start()  # in a callback, from which nothing is raised: once more

        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(
                errors="backslashreplace"
            )  # whatever a name holds, and whatever the terminal can show
        if is_distributed() and os.environ["RANK"] != "0":
            sys.stdout = open(os.devnull, "w")  # the first process prints
        former_hook, sys.unraisablehook = sys.unraisablehook, swallowed
        former = (
            signal.signal(signal.SIGTERM, stop)
            if threading.current_thread() is threading.main_thread()
            else None
        )
        try:
            return program(*args, **kwargs)
        except InputError as error:
            if may_print_error():
                print(f"error: {one_line(str(error))}", file=sys.stderr)
            sys.exit(2)
        except BaseException as error:
            if isinstance(error, SystemExit) and not received:
                raise
            first = may_print_error()
            if first and not received and not isinstance(error, KeyboardInterrupt):
                raise
            # after a signal to the whole group it may also be a loader's complaint that its worker has died
            if first:
                print(
                    "\ninterrupted: what is finished is kept, of a training the last whole epoch; the same command goes on from there",
                    file=sys.stderr,
                )
            sys.exit(143 if received else 130 if isinstance(error, KeyboardInterrupt) else 2)
        finally:
            sys.unraisablehook = former_hook
            if former is not None:
                signal.signal(signal.SIGTERM, former)

    return run
