"""What the user gave is wrong: one clear line and exit code 2, never a traceback."""
import functools
import sys


class InputError(ValueError):
    """Says what was expected, what was found, where, and what to do. Raised where the fact is known."""

    def __str__(self) -> str:
        # a DataLoader worker wraps the message in its own traceback: keep ours
        return super().__str__().rsplit("InputError: ", 1)[-1].strip()


def exits_cleanly(program):
    """Decorate a program's `main`: wrong input ends with code 2, Ctrl-C with 130, each with one line."""
    @functools.wraps(program)
    def run(*args, **kwargs):
        try:
            return program(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("\ninterrupted: start the same command again to go on from what is finished", file=sys.stderr)
            sys.exit(130)
    return run
