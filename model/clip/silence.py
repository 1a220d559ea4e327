"""transformers, told to say nothing: what it warns of is expected here, or checked by us."""

import warnings
from contextlib import contextmanager
from typing import Iterator

from transformers.utils import logging as transformers_logging


def silence_transformers():
    """No progress bars, and no warning that one tower stays unused, which is expected."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


@contextmanager
def silent_transformers() -> Iterator[None]:
    """The same for what is inside. Who calls from Python finds transformers as it was."""
    verbosity = transformers_logging.get_verbosity()
    had_progress_bars = transformers_logging.is_progress_bar_enabled()
    silence_transformers()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_progress_bars:
            with warnings.catch_warnings():  # an environment variable of the user's may forbid them
                warnings.simplefilter("ignore")
                transformers_logging.enable_progress_bar()
