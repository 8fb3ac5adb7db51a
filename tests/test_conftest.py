"""The guards that every other test relies on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.mark.parametrize("host", ["shop.example", "xn--bcher-kva.example"])
def test_names_are_not_looked_up(host: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=host):
        socket.getaddrinfo(host, 443)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "shop.example"])
def test_nothing_beyond_loopback_is_connected_to(address: str) -> None:
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=address):
        client.connect((address, 9))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(("localhost", server.getsockname()[1])) as client:
            client.sendall(b"hello")
            accepted, _ = server.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_own_settings_are_hidden(tmp_path: Path) -> None:
    body = "import os\ndef test_it(): assert 'FOURTOWER_DEBUG' not in os.environ"
    assert "1 passed" in run_pytest(tmp_path, body, FOURTOWER_DEBUG="1")


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\ndef test_it(): pytest.skip('not today')",
        "import pytest\npytest.importorskip('a_package_that_is_missing')\ndef test_it(): pass",
    ],
)
def test_ci_refuses_skips(tmp_path: Path, body: str) -> None:
    assert "1 skipped" in run_pytest(tmp_path, body, CI="")
    assert "only a missing GPU excuses" in run_pytest(tmp_path, body, CI="true")


def test_ci_accepts_a_missing_gpu_and_expected_failures(tmp_path: Path) -> None:
    body = (
        "import pytest\n"
        "def test_gpu(): pytest.skip('no GPU on this machine')\n"
        "@pytest.mark.xfail(reason='known')\n"
        "def test_known(): assert False\n"
    )
    assert "1 skipped, 1 xfailed" in run_pytest(tmp_path, body, CI="true")


def run_pytest(folder: Path, body: str, **environment: str) -> str:
    """The output of a run of its own over one test file, beside a copy of our conftest."""
    (folder / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (folder / "test_body.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", ".", "."]
    environ = os.environ | {"PYTHONPATH": str(CONFTEST.parents[1])} | environment
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return done.stdout
