"""Every endpoint with every kind of key, as the application itself lists them; and no key in any log."""

import logging
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.search.service.live import error_of, running, settings_of

from fourtower_search.service.app import create_app
from fourtower_search.service.key_file import edit_keys
from fourtower_search.service.keys import new_key

SCOPES = ("search", "embed", "admin")
NEEDS = {("post", "/embed"): "embed", ("get", "/stats"): "admin"}
"""Everything else needs `search`."""
OPEN = {"/", "/openapi.json", "/static/{version}/{name}"}
"""The page, which asks for a key itself, and the description."""


def made(path, *scopes, revoked=False, **about):
    key, stored = new_key("matrix", scopes, **about)
    ended = stored.model_copy(update={"revoked": stored.created if revoked else None})
    edit_keys(path, lambda before: [*before, ended])
    return key


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of each kind, and where they are stored."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    ended = datetime.now(UTC) - timedelta(seconds=1)
    right = {scope: made(path, scope) for scope in SCOPES}
    secret = right["search"].split("_", 2)[2]
    return path, {
        **right,
        "all": made(path, *SCOPES),
        "revoked": made(path, *SCOPES, revoked=True),
        "expired": made(path, *SCOPES, expires=ended),
        "never made": new_key("nobody", SCOPES)[0],
        "another's secret": f"ft_{right['embed'].split('_')[1]}_{secret}",
        "cut short": right["search"][:-1],
        "malformed": "ft_malformed",
    }


@pytest.fixture(scope="module")
def app(keys, served_client):
    return create_app(settings_of(keys=keys[0]), client=served_client)


@pytest.fixture(scope="module")
def logged():
    """All that is logged by anybody while the service runs, in full detail."""
    records = []

    class Kept(logging.Handler):
        def emit(self, record):
            records.append(self.format(record) + repr(vars(record)))

    root, kept = logging.getLogger(), Kept(logging.DEBUG)
    names = ("uvicorn", "uvicorn.access", "uvicorn.error", "fourtower", "asyncio")
    before = {name: logging.getLogger(name).level for name in (*names, "")}
    for name in before:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(kept)
    yield records
    root.removeHandler(kept)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="module")
def http(app, logged):
    with running(app) as address, httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        yield client


def endpoints(app):
    return [
        (method, path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method in {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
    ]


def asked(http, endpoint, key, *, header="X-API-Key"):
    method, path = endpoint
    address = re.sub(r"\{[^}]*\}", "1", path)
    headers = {} if key is None else {header: key if header == "X-API-Key" else f"Bearer {key}"}
    body = {} if method == "get" else {"json": {}}
    return http.request(method, address, headers=headers, **body)


def routes_of(routes):
    """All routes, also those of routers within, described or not."""
    for route in routes:
        within = getattr(route, "original_router", route)
        if hasattr(within, "routes"):
            yield from routes_of(within.routes)
        else:
            yield route


def test_there_is_no_endpoint_beside_the_described_ones_but_the_page(app):
    described = {path for _, path in endpoints(app)}
    assert len(described) >= 10
    found = {route.path.replace(":path}", "}") for route in routes_of(app.routes)}
    assert found - described <= OPEN
    assert described <= found


def test_without_a_key_nothing_is_answered(app, http):
    for endpoint in endpoints(app):
        answer = asked(http, endpoint, None)
        error_of(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer", endpoint


@pytest.mark.parametrize("kind", ["revoked", "expired", "never made", "another's secret", "cut short", "malformed"])
@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_with_a_key_that_is_no_good_nothing_is_answered(app, http, keys, kind, header):
    for endpoint in endpoints(app):
        answer = asked(http, endpoint, keys[1][kind], header=header)
        said = error_of(answer, 401, "unauthenticated")
        assert "not, or no longer, valid" in said["message"], endpoint


def test_a_key_opens_the_endpoints_of_its_scope_and_no_others(app, http, keys):
    for endpoint in endpoints(app):
        needed = NEEDS.get(endpoint, "search")
        for scope in SCOPES:
            answer = asked(http, endpoint, keys[1][scope])
            if scope == needed:
                assert answer.status_code not in {401, 403, 429}, endpoint
                assert answer.status_code < 500, endpoint
            else:
                error_of(answer, 403, "forbidden")


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_key_of_all_scopes_opens_everything(app, http, keys, header):
    for endpoint in endpoints(app):
        assert asked(http, endpoint, keys[1]["all"], header=header).status_code not in {401, 403, 429, 500}, endpoint


def test_the_page_and_what_belongs_to_it_need_no_key(http):
    page = http.get("/")
    assert page.status_code == 200
    files = set(re.findall(r"""(?:href|src)=["'](?:\./|/)?(static/[^"'#]+)""", page.text))
    assert files
    for file in files:
        assert http.get(f"/{file}").status_code == 200, file


def test_the_description_says_that_keys_are_needed(app):
    for path, methods in app.openapi()["paths"].items():
        for method, about in methods.items():
            assert {"HTTPBearer", "APIKeyHeader"} <= {name for way in about["security"] for name in way}, (method, path)


def test_keys_in_addresses_are_no_keys(app, http, keys):
    for endpoint in endpoints(app):
        method, path = endpoint
        address = re.sub(r"\{[^}]*\}", "1", path)
        sent = {"api_key": "1", "X-API-Key": "1", "access_token": "1"}
        assert http.request(method, address, params=sent).status_code == 401, endpoint


def test_a_key_that_is_revoked_opens_nothing_from_the_next_second_on(served_client, tmp_path):
    path = tmp_path / "keys.json"
    key = made(path, "search")
    app = create_app(settings_of(keys=path), client=served_client)
    with running(app) as address, httpx.Client(base_url=address, headers={"X-API-Key": key}, trust_env=False) as http:
        assert http.get("/schema").status_code == 200
        edit_keys(path, lambda before: [each.model_copy(update={"revoked": each.created}) for each in before])
        statuses = [http.get("/schema").status_code]
        end = datetime.now(UTC) + timedelta(seconds=20)
        while statuses[-1] == 200:
            assert datetime.now(UTC) < end, "the key still opens the service"
            statuses.append(http.get("/schema").status_code)
    assert statuses[-1] == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_again(served_client, tmp_path):
    path = tmp_path / "keys.json"
    limited, free = made(path, "search", rate_per_s=0.01, burst=6), made(path, "search")
    app = create_app(settings_of(keys=path), client=served_client)
    with running(app) as address, httpx.Client(base_url=address, trust_env=False) as http:
        ask = {"json": {"queries": [{"text": "red"}] * 6}}
        assert http.post("/search/batch", headers={"X-API-Key": limited}, **ask).status_code == 200
        answer = http.post("/search", headers={"X-API-Key": limited}, json={"text": "red"})
        error_of(answer, 429, "rate_limited")
        assert 90 < int(answer.headers["Retry-After"]) <= 100, "a batch counts as many as it holds"
        assert http.post("/search", headers={"X-API-Key": free}, json={"text": "red"}).status_code == 200


def test_no_log_holds_a_key(http, logged, keys):
    """Comes after the others of this file, in whose course the service logged."""
    for kind in ("all", "revoked", "malformed"):
        for header in ("X-API-Key", "Authorization"):
            asked(http, ("post", "/search"), keys[1][kind], header=header)
    said = "\n".join(logged)
    assert "/search" in said, "requests were logged"
    secrets = {key.split("_", 2)[-1] for kind, key in keys[1].items() if kind != "malformed"}
    assert [secret for secret in secrets if secret in said] == []
    assert "malformed" not in said
