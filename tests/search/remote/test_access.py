"""Who is asked, and with what: addresses, keys and certificates."""

import ssl

import pytest
import trustme
from tests.search.remote.stand import SCHEMA, Stand, problem, reply

from fourtower_search import SearchClient
from fourtower_search.errors import AccessDenied, IndexMismatch, IndexUnavailable, InvalidQuery
from fourtower_search.remote.address import Address

KEY = "ft_0123_secret"


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def secure(authority):
    """Makes a stand whose certificate is for a name."""
    stands = []

    def make(name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        stands.append(Stand(context))
        return stands[-1]

    yield make
    for stand in stands:
        stand.close()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.mark.parametrize(
    ("text", "shown", "prefix"),
    [
        ("http://localhost:8000", "http://localhost:8000", ""),
        ("http://localhost", "http://localhost", ""),
        ("HTTPS://Search.Example:443/", "https://search.example", ""),
        ("https://x.test/shop/search/", "https://x.test/shop/search", "/shop/search"),
        ("http://[::1]:8000", "http://[::1]:8000", ""),
        ("http://127.0.0.1:80", "http://127.0.0.1", ""),
    ],
)
def test_addresses_are_read(text, shown, prefix):
    address = Address.parse(text)
    assert (str(address), address.prefix) == (shown, prefix)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://", "no usable host"),
        ("http:///path", "no usable host"),
        ("http://a b:80", "no usable host"),
        ("http://a\r\nX: y", "can't be read"),
        ("http://host:99999", "can't be read"),
        ("http://host:port", "can't be read"),
        ("http://[::1", "can't be read"),
        ("http://host?x=1", "a query or a fragment"),
        ("http://host/#x", "a query or a fragment"),
        ("http://host/a b", "no usable path"),
        ("http://host/é", "no usable path"),
        ("http://" + "a" * 600, "can't be read"),
        (f"https://{KEY}@host", "pass the service's key as api_key"),
        (f"https://user:{KEY}@host", "pass the service's key as api_key"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(text, reason):
    with pytest.raises(InvalidQuery, match=reason) as raised:
        SearchClient(text)
    assert KEY not in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_key_is_sent_as_a_bearer_and_shown_nowhere(stand):
    with SearchClient(stand.address, api_key=KEY) as client:
        stand.answers(problem("index_unavailable", 503, retry_after="60"))
        with pytest.raises(IndexUnavailable) as raised:
            client.count()
    assert {asked.headers["authorization"] for asked in stand.asked} == {f"Bearer {KEY}"}
    assert KEY not in f"{raised.value!r}{client!r}{vars(client)}"


def test_no_key_is_sent_unless_one_is_passed(stand, monkeypatch):
    monkeypatch.setenv("FOURTOWER_API_KEY", KEY)
    SearchClient(stand.address).close()
    assert "authorization" not in stand.asked[0].headers


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "a\r\nHost: x", "schlüssel", b"bytes", 5])
def test_what_can_be_no_key_is_refused(stand, key):
    with pytest.raises(InvalidQuery, match="api_key is not one that `fourtower keys create` gave"):
        SearchClient(stand.address, api_key=key)
    assert stand.asked == []


def test_who_has_no_key_hears_how_to_pass_one(stand):
    stand.schema(problem("unauthenticated", 401, "This service needs an API key."))
    with pytest.raises(AccessDenied, match=r"needs an API key. Pass it as api_key, .* FOURTOWER_API_KEY"):
        SearchClient(stand.address)
    with pytest.raises(AccessDenied, match=r"needs an API key. \(Request"):
        SearchClient(stand.address, api_key=KEY)
    stand.schema(problem("forbidden", 403, "This key may not do this."))
    with pytest.raises(AccessDenied, match="may not do this"):
        SearchClient(stand.address, api_key=KEY)


def test_a_certificate_is_checked(secure, ca_file):
    stand = secure("127.0.0.1")
    stand.schema(reply(SCHEMA))
    with SearchClient(stand.address, ca_file=ca_file, api_key=KEY) as client:
        assert client.generation == "shop_g1"
    asked = len(stand.asked)
    with pytest.raises(IndexMismatch, match=r"certificate of https://127.0.0.1:\d+ can't be trusted .* as ca_file"):
        SearchClient(stand.address, api_key=KEY)
    assert len(stand.asked) == asked, "the key stays here"


def test_a_certificate_for_another_name_is_not_trusted(secure, ca_file):
    with pytest.raises(IndexMismatch, match="call it by the name that it is for"):
        SearchClient(secure("search.example").address, ca_file=ca_file)


def test_http_and_https_are_told_apart(stand, secure):
    with pytest.raises(IndexMismatch, match="is it an http:// address"):
        SearchClient(stand.address.replace("http", "https"), timeout_s=5)
    with pytest.raises(IndexUnavailable):
        SearchClient(secure("127.0.0.1").address.replace("https", "http"), timeout_s=5)


def test_certificates_that_are_none_are_refused(tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    for path in (tmp_path / "none.pem", tmp_path / "gone.pem", tmp_path):
        with pytest.raises(InvalidQuery, match="is no readable PEM file of certificates"):
            SearchClient("https://127.0.0.1:9", ca_file=path)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "demo"},
        {"alias": "shoes"},
        {"token": "root:Milvus"},
        {"rerankers": {"mine": lambda query, candidates: []}},
        {"reranker_options": {"listwise": {"path": "x"}}},
        {"cursor_key": b"k" * 32},
        {"cache_bytes": 0},
        {"refresh_s": 0.5},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_of_an_index_are_not_taken_for_a_service(stand, settings):
    with pytest.raises(InvalidQuery, match=f"^{next(iter(settings))} is decided where the service runs"):
        SearchClient(stand.address, **settings)
