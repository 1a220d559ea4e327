"""A page of gradio on this machine alone: nobody else is told anything, and no file is given out.

gradio is no part of requirements.txt, and is imported when a page is wanted.
"""

import os
import socket
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any, Iterator

from support.errors import InputError

ADDRESS = "127.0.0.1"
OLDEST_PYTHON = (3, 10)  # that gradio runs on
OLDEST_GRADIO = 6
LARGEST_FILE = "256mb"  # that may be dropped; who reads pictures has a limit of pixels, too


def import_gradio() -> Any:
    """gradio, which tells nobody anything. Raises InputError if it is not there, or too old."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise InputError(
            f"the page needs gradio, and gradio needs Python 3.10 or newer: this is Python {found}"
        )
    if find_spec("gradio") is None:
        raise InputError("the page needs gradio, which is not installed: pip install gradio")
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # settings of other pages: a public link, folders that may be read
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        # gradio asks its own page whether it is there, and would ask a proxy for it
        NO_PROXY=",".join(filter(None, [os.environ.get("NO_PROXY"), ADDRESS])),
        no_proxy=",".join(filter(None, [os.environ.get("no_proxy"), ADDRESS])),
    )
    try:
        import gradio
    except ImportError as error:
        raise InputError(f"gradio cannot be imported ({error}): pip install -U gradio may help") from error
    if int(gradio.__version__.split(".")[0]) < OLDEST_GRADIO:
        raise InputError(
            f"the page needs gradio {OLDEST_GRADIO} or newer, and found {gradio.__version__}: "
            "pip install -U gradio"
        )
    return gradio


def check_port(port: int):
    """Raise InputError if a program listens there already, or this user may not."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(
                f"port {port} of {ADDRESS} cannot be used ({error.strerror}): "
                f"perhaps such a page is open already; name another, --port {port % 65535 + 1}"
            ) from error


@contextmanager
def temporary_folder() -> Iterator[None]:
    """Where what visitors drop lies meanwhile. It is deleted at the end."""
    with TemporaryDirectory(prefix="dsva-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield


def serve(blocks: Any, look: dict, port: int):
    """Show a page until Ctrl-C.

    blocks: of gradio;  look: further arguments of its `launch`
    """
    blocks.queue(api_open=False)
    try:
        blocks.launch(
            server_name=ADDRESS,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=LARGEST_FILE,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
            **look,
        )
    except OSError as error:  # another program was quicker
        raise InputError(f"port {port} of {ADDRESS} cannot be used: name another --port") from error
    try:
        print(f"page    http://{ADDRESS}:{port}    (Ctrl-C ends it)", flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print("\nended", flush=True)
    finally:
        blocks.close(verbose=False)
