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
from typing import Any, Iterator, Mapping

from support.errors import InputError, first_line
from support.packages import install

ADDRESS = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")  # of this machine: no page elsewhere has them
OLDEST_PYTHON = (3, 10)  # that gradio runs on
OLDEST_GRADIO = 6
LARGEST_FILE = "256mb"  # that may be dropped; who reads pictures has a limit of pixels, too
WITHOUT_SCRIPT = b"<noscript><p>This page needs JavaScript, which is off in this browser.</p></noscript>"


def import_gradio() -> Any:
    """gradio, which tells nobody anything. Raises InputError if it is not there, or too old."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise InputError(
            f"the page needs gradio, and gradio needs Python 3.10 or newer: this is Python {found}"
        )
    if find_spec("gradio") is None:
        raise InputError(f"the page needs gradio, which is not installed: {install('gradio')}")
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
        raise InputError(
            f"gradio cannot be imported ({error}): {install('-U', 'gradio')} may help"
        ) from error
    if int(gradio.__version__.split(".")[0]) < OLDEST_GRADIO:
        raise InputError(
            f"the page needs gradio {OLDEST_GRADIO} or newer, and found {gradio.__version__}: "
            f"{install('-U', 'gradio')}"
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
    """Where what visitors drop lies meanwhile. It is deleted at the end. Raises InputError."""
    try:
        made = TemporaryDirectory(prefix="dsva-")
    except OSError as error:
        raise InputError(
            f"no temporary folder can be made ({first_line(error)}): make room, "
            "or let TMPDIR be a folder that can be written to"
        ) from error
    with made as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield


class OwnPageOnly:
    """ASGI: answers what the page itself asks, and refuses what other pages in the same browser ask.

    A page elsewhere can send requests to 127.0.0.1: their Origin is another one than their Host. Or it lets
    its own name mean 127.0.0.1 (DNS rebinding): then Host is no name of this machine. gradio hides its
    answers from the first, but does what they ask; TrustedHostMiddleware of starlette stops the second alone.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any):
        if scope["type"] != "http" or is_own(dict(scope["headers"])):
            return await self.app(scope, receive, send)
        from starlette.responses import PlainTextResponse  # is there if gradio is

        words = f"This page answers to itself alone: open http://{ADDRESS} with its port.\n"
        return await PlainTextResponse(words, status_code=403)(scope, receive, send)


class SaysWithoutScript:
    """ASGI: a browser that runs no JavaScript shows a sentence, not an empty page, which is gradio's."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any):
        async def send_more(message: Any):
            if message["type"] == "http.response.start":  # the page will be longer than was said
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                message = {**message, "headers": kept}
            elif message.get("body"):
                message = {
                    **message,
                    "body": message["body"].replace(b"</body>", WITHOUT_SCRIPT + b"</body>"),
                }
            await send(message)

        is_page = scope["type"] == "http" and scope["path"] == "/"
        await self.app(scope, receive, send_more if is_page else send)


def is_own(headers: Mapping[bytes, bytes]) -> bool:
    """Has the page itself sent a request with these headers? A tunnel may have given it another port."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    is_here = host.split(":")[0] in NAMES
    return is_here and (not origin or origin.partition("://")[2] == host)


def serve(blocks: Any, look: dict, port: int):
    """Show a page until Ctrl-C.

    blocks: of gradio;  look: further arguments of its `launch`
    """
    from starlette.middleware import Middleware  # is there if gradio is

    blocks.queue(api_open=False)
    hidden = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    around = [Middleware(OwnPageOnly), Middleware(SaysWithoutScript)]
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
            app_kwargs={**hidden, "middleware": around},
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
