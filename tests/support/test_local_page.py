"""What a page of gradio needs, with something else that is called gradio."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import local_page
from support.errors import InputError
from support.local_page import check_port, import_gradio, temporary_folder


@pytest.fixture
def gradio(monkeypatch):
    """Is imported as gradio, starlette beside it; the environment is as before afterwards."""
    fake = SimpleNamespace(__version__="6.1.0")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setitem(sys.modules, "gradio", fake)
    monkeypatch.setitem(sys.modules, "starlette.middleware", SimpleNamespace(Middleware=lambda layer: layer))
    monkeypatch.setattr(local_page, "find_spec", lambda name: "a spec")
    monkeypatch.setattr(local_page, "OLDEST_PYTHON", (3, 0))
    return fake


def test_without_gradio_a_line_says_how_to_install_it(gradio, monkeypatch):
    monkeypatch.setattr(local_page, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match="needs gradio, which is not installed: .*python.* -m pip install gradio$"
    ):
        import_gradio()


def test_an_old_python_is_told_that_gradio_needs_a_newer_one(monkeypatch):
    monkeypatch.setattr(local_page, "sys", SimpleNamespace(version_info=(3, 9, 18)))
    with pytest.raises(InputError, match="gradio needs Python 3.10 or newer: this is Python 3.9$"):
        import_gradio()


def test_an_old_gradio(gradio):
    gradio.__version__ = "4.44.1"
    with pytest.raises(
        InputError, match="needs gradio 6 or newer, and found 4.44.1: .* -m pip install -U gradio$"
    ):
        import_gradio()


def test_a_gradio_that_cannot_be_imported(gradio, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(InputError, match="gradio cannot be imported .import of gradio halted"):
        import_gradio()


def test_gradio_tells_nobody_anything_and_takes_no_setting_of_another_page(gradio):
    os.environ.update(GRADIO_SHARE="True", GRADIO_ALLOWED_PATHS="/", no_proxy="example.org")
    assert import_gradio() is gradio
    assert {name for name in os.environ if name.startswith("GRADIO_")} == {"GRADIO_ANALYTICS_ENABLED"}
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert os.environ["no_proxy"] == "example.org,127.0.0.1" and os.environ["NO_PROXY"].endswith("127.0.0.1")


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} of 127.0.0.1 .*name another, --port {port + 1}"):
            check_port(port)
    check_port(port)  # which is free again


def test_what_is_dropped_is_deleted(gradio):
    with temporary_folder():
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_without_a_folder_to_write_to_a_line_says_so(gradio, monkeypatch):
    def fails(**_):
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(local_page, "TemporaryDirectory", fails)
    with (
        pytest.raises(InputError, match="no temporary folder can be made .*let TMPDIR be"),
        temporary_folder(),
    ):
        pass


@pytest.mark.parametrize(
    "host, origin, is_own",
    [
        ("127.0.0.1:7860", None, True),
        ("localhost:7860", "http://localhost:7860", True),
        ("LOCALHOST:9000", "http://localhost:9000", True),  # through a tunnel of ssh
        ("127.0.0.1:7860", "http://evil.example", False),
        ("127.0.0.1:7860", "http://127.0.0.1:8888", False),  # another page of this machine
        ("127.0.0.1:7860", "null", False),
        ("evil.example:7860", None, False),  # DNS rebinding
        ("evil.example", "http://evil.example", False),
        ("127.0.0.1.evil.example", None, False),
        ("", None, False),
    ],
)
def test_what_other_pages_ask_is_not_the_pages_own(host, origin, is_own):
    headers = {b"host": host.encode()}
    if origin:
        headers[b"origin"] = origin.encode()
    assert local_page.is_own(headers) == is_own


def answer_to(program, path="/", host=b"localhost") -> list:
    """What a program of ASGI sends."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "GET", "headers": [(b"host", host)]}
    asyncio.run(program(scope, None, send))
    return sent


async def small_page(scope, receive, send):
    body = b"<html><body>words</body></html>"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"31")]})
    await send({"type": "http.response.body", "body": body})


def test_the_page_says_that_it_needs_javascript_and_nothing_else_is_changed():
    start, body = answer_to(local_page.SaysWithoutScript(small_page))
    assert start["headers"] == [] and b"<noscript><p>This page needs JavaScript" in body["body"]
    start, body = answer_to(local_page.SaysWithoutScript(small_page), "/config")
    assert len(body["body"]) == 31 and len(start["headers"]) == 1


def test_a_page_elsewhere_gets_a_sentence():
    pytest.importorskip("starlette")
    guarded = local_page.OwnPageOnly(small_page)
    assert answer_to(guarded)[0]["status"] == 200
    start, body = answer_to(guarded, host=b"evil.example")
    assert start["status"] == 403 and body["body"].startswith(
        b"This page answers to itself alone: open http://127"
    )


def test_another_program_may_be_quicker(gradio):
    def launch(server_name, share, app_kwargs, **_):
        assert server_name == "127.0.0.1" and not share
        assert app_kwargs["middleware"] == [local_page.OwnPageOnly, local_page.SaysWithoutScript]
        raise OSError("Cannot find empty port in range: 7860-7860")

    blocks = SimpleNamespace(queue=lambda **_: None, launch=launch)
    with pytest.raises(InputError, match="port 7860 of 127.0.0.1 cannot be used: name another --port"):
        local_page.serve(blocks, {}, 7860)
