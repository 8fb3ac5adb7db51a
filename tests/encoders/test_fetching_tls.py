"""Fetching over TLS: whose certificates are trusted, and for which name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.encoders.image_host import PICTURE, Host, only, policy_for, serve

from fourtower_encoders.errors import ImageUnavailable, InvalidConfig
from fourtower_encoders.fetching import ImageFetcher


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Host]:
    host = Host()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: host.names.append(name)
    authority.issue_cert("img.shop.test", "127.0.0.1").configure_cert(context)
    host.socket = context.wrap_socket(host.socket, server_side=True, do_handshake_on_connect=False)
    yield from serve(host)


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def test_tls_verifies_the_name_not_the_address(secure: Host, ca_file: Path) -> None:
    policy = policy_for(secure, ca_file=ca_file)
    with ImageFetcher(policy, resolver=only("127.0.0.1")) as fetcher:
        assert fetcher.fetch(f"https://img.shop.test.:{secure.port}/picture") == PICTURE
        assert fetcher.fetch(f"https://127.0.0.1:{secure.port}/picture") == PICTURE
        assert secure.names == ["img.shop.test", None]
        with pytest.raises(ImageUnavailable, match=r"1 attempts.*Hostname mismatch"):
            fetcher.fetch(f"https://other.test:{secure.port}/picture")


def test_certificates_that_were_renewed_are_read_anew(secure: Host, ca_file: Path) -> None:
    known = ca_file.read_bytes()
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    policy = policy_for(secure, ca_file=ca_file)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match="CERTIFICATE_VERIFY"):
        fetcher.fetch(f"https://127.0.0.1:{secure.port}/picture")
    ca_file.write_bytes(known)
    with ImageFetcher(policy) as fetcher:
        assert fetcher.fetch(f"https://127.0.0.1:{secure.port}/picture") == PICTURE


def test_unknown_authorities_are_not_trusted(secure: Host) -> None:
    with (
        ImageFetcher(policy_for(secure)) as fetcher,
        pytest.raises(ImageUnavailable, match=r"1 attempts.*CERTIFICATE_VERIFY"),
    ):
        fetcher.fetch(f"https://127.0.0.1:{secure.port}/picture")
    assert secure.asked.total() == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_useless_ca_file_is_found_at_once(host: Host, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(InvalidConfig, match="ca_file"):
        ImageFetcher(policy_for(host, ca_file=tmp_path / "ca.pem"))


def test_a_silent_handshake_is_a_timeout(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        policy = policy_for(host, ports=(port,), connect_timeout_s=0.1, retries=0)
        with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match="ConnectTimeout"):
            fetcher.fetch(f"https://127.0.0.1:{port}/picture")
