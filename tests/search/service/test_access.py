"""Who is let in, with which key, for what, and how often."""

from types import SimpleNamespace

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from tests.search.service.live import settings_of

from fourtower_search.errors import AccessDenied
from fourtower_search.service.access import Access, access_of, allowed
from fourtower_search.service.key_file import InvalidKeyFile, edit_keys
from fourtower_search.service.keys import KeyRing, new_key
from fourtower_search.service.rates import Rates
from fourtower_search.service.refusals import Refused


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def made(path, *scopes, **about):
    key, stored = new_key("shop", scopes or ["search"], **about)
    edit_keys(path, lambda before: [*before, stored])
    return key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ask(path, clock):
    """Sends headers to an application with one endpoint, and takes its answer."""
    made(path)
    access = Access(KeyRing(path, clock=clock), Rates(clock))

    async def carried(request: Request):
        request.state.fourtower = SimpleNamespace(access=access)

    app = FastAPI(dependencies=[Depends(carried)])

    @app.get("/search")
    async def search(request: Request, key=Depends(allowed("search"))):  # noqa: B008
        return {"key": key.id, "same": request.state.api_key is key}

    def asked(**headers):
        clock.now += 2  # changes of the file are seen
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(transport=_Direct(app), base_url="http://shop") as client:
            return client.get("/search", headers=wanted)

    return asked


class _Direct(httpx.BaseTransport):
    """Calls an application without a connection."""

    def __init__(self, app):
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request):
        import asyncio

        async def answered():
            answer = await self._transport.handle_async_request(request)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run(answered())


def test_a_key_is_taken_from_either_header(ask, path):
    key = made(path)
    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"X_API_Key": key}):
        answer = ask(**headers)
        assert (answer.status_code, answer.json()) == (200, {"key": key.split("_")[1], "same": True})


def test_a_proxy_may_need_the_other_header_for_itself(ask, path):
    assert ask(Authorization="Basic dXNlcjpzZWNyZXQ=", X_API_Key=made(path)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dXNlcjpzZWNyZXQ="},
        {"X_API_Key": ""},
    ],
)
def test_without_a_key_the_answer_says_how_to_send_one(ask, headers):
    answer = ask(**headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize("token", ["nonsense", "ft_aaaaaaaa_" + "A" * 43, "ft__", "ft_" * 100, "a b"])
def test_a_wrong_key_is_refused_whatever_is_wrong_with_it(ask, token):
    answers = [ask(Authorization=f"Bearer {token}"), ask(X_API_Key=token)]
    assert [each.status_code for each in answers] == [401, 401]
    assert {each.json()["detail"] for each in answers} == {answers[0].json()["detail"]}
    assert 'error="invalid_token"' in answers[0].headers["WWW-Authenticate"]


def test_a_wrong_bearer_key_is_not_made_good_by_the_other_header(ask, path):
    assert ask(Authorization="Bearer nonsense", X_API_Key=made(path)).status_code == 401


def test_a_key_for_something_else_is_forbidden(ask, path):
    answer = ask(X_API_Key=made(path, "embed", "admin"))
    assert answer.status_code == 403
    assert "'search'" in answer.json()["detail"]


def test_a_key_may_be_used_as_often_as_it_says(path, clock):
    key = made(path, rate_per_s=2, burst=3)
    access = Access(KeyRing(path), Rates(clock))
    found, *_ = [access.admit(key, "search") for _ in range(3)]
    with pytest.raises(Refused) as refused:
        access.admit(key, "search")
    assert (refused.value.status_code, refused.value.code, refused.value.headers["Retry-After"]) == (
        429,
        "rate_limited",
        "1",
    )
    clock.now = 0.5
    access.admit(key, "search")
    access.charge(found, 20)
    with pytest.raises(Refused) as refused:
        access.admit(key, "search")
    assert refused.value.headers["Retry-After"] == "11"


def test_what_a_key_may_not_do_costs_it_nothing(path, clock):
    key = made(path, "embed", rate_per_s=1, burst=1)
    access = Access(KeyRing(path), Rates(clock))
    for _ in range(5):
        with pytest.raises(Refused, match="scope"):
            access.admit(key, "search")
    access.admit(key, "embed")


def test_keys_do_not_share_a_limit(path, clock):
    keys = [made(path, rate_per_s=1, burst=1) for _ in range(2)]
    access = Access(KeyRing(path), Rates(clock))
    for key in keys:
        access.admit(key, "search")
        with pytest.raises(Refused):
            access.admit(key, "search")


def test_where_no_key_is_needed_there_is_no_limit_unless_one_is_set(clock):
    free = Access(rates=Rates(clock))
    assert {free.admit(None, "admin") for _ in range(1000)} == {None}
    limited = Access(rates=Rates(clock), anonymous_rate_per_s=10)
    for _ in range(10):
        limited.admit("ft_anything", "search")
    with pytest.raises(Refused, match="without a key"):
        limited.admit(None, "search")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_on_this_machine_alone_no_keys_are_needed(host):
    assert access_of(settings_of(host=host)).keys is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "shop.example", "", "127.0.0.1.evil.example"])
def test_where_others_can_reach_it_keys_are_needed_unless_said_otherwise(host, path):
    with pytest.raises(AccessDenied, match="keys create"):
        access_of(settings_of(host=host))
    assert access_of(settings_of(host=host, insecure=True)).keys is None
    key = made(path)
    assert access_of(settings_of(host=host, keys=path)).admit(key, "search").name == "shop"


def test_keys_count_also_where_none_would_be_needed(path):
    made(path)
    for settings in (settings_of(keys=path), settings_of(keys=path, insecure=True, host="0.0.0.0")):
        with pytest.raises(Refused):
            access_of(settings).admit(None, "search")


def test_a_file_of_keys_that_is_missing_lets_nobody_in(path):
    with pytest.raises(InvalidKeyFile):
        access_of(settings_of(keys=path))
