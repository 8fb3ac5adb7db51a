"""Who may ask what, and how often: checks each request's key before anything is done for it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from fourtower_search.errors import AccessDenied
from fourtower_search.service.keys import ApiKey, KeyRing, Scope
from fourtower_search.service.rates import Rates
from fourtower_search.service.refusals import Refused, retry_after
from fourtower_search.service.settings import ServiceSettings

NO_KEY = "This service needs an API key: send it as 'Authorization: Bearer KEY' or as 'X-API-Key: KEY'."
WRONG_KEY = "This API key is not, or no longer, valid; ask whoever runs the service for another one."
ANONYMOUS = ""
"""Stands for every caller without a key, where none is needed."""

_bearer = HTTPBearer(auto_error=False, description="An API key of `fourtower keys create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, where a proxy uses the other.")


@dataclass(frozen=True)
class Access:
    """The rules of one service; without a key ring everybody may do everything."""

    keys: KeyRing | None = None
    rates: Rates = field(default_factory=Rates)
    anonymous_rate_per_s: float | None = None
    """Of all requests together, where no key is needed; None: as many as come."""

    def admit(self, token: str | None, scope: Scope) -> ApiKey | None:
        """The key that a request came with, None where none is needed.

        Raises:
            Refused: 401 without a valid key, 403 if it is not for this, 429 if it was used too often.
        """
        key = None if self.keys is None else self._known(self.keys, token)
        if key is not None and scope not in key.scopes:
            raise Refused("forbidden", f"This API key may not be used for '{scope}'; it needs that scope.")
        self._count(key)
        return key

    def charge(self, key: ApiKey | None, tokens: float) -> None:
        """Count a request as several, once it is known how many searches it holds."""
        self.rates.charge(ANONYMOUS if key is None else key.id, tokens)

    def _known(self, keys: KeyRing, token: str | None) -> ApiKey:
        if not token:
            raise Refused("unauthenticated", NO_KEY, headers={"WWW-Authenticate": "Bearer"})
        if (key := keys.find(token)) is None:
            raise Refused("unauthenticated", WRONG_KEY, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return key

    def _count(self, key: ApiKey | None) -> None:
        rate = self.anonymous_rate_per_s if key is None else key.rate_per_s
        if rate is None:
            return
        burst = max(1.0, rate) if key is None else key.burst
        wait_s = self.rates.take(ANONYMOUS if key is None else key.id, rate_per_s=rate, burst=burst)
        if wait_s > 0:
            raise Refused(
                "rate_limited",
                f"More than {rate:g} requests per second came {'without a key' if key is None else 'with this key'}; "
                f"try again in {wait_s:.1f} s.",
                headers={"Retry-After": retry_after(wait_s)},
            )


def access_of(settings: ServiceSettings) -> Access:
    """The rules that settings name.

    Raises:
        AccessDenied: others could reach the service, and nothing says who may.
        InvalidKeyFile: the file of keys can't be used.
    """
    if settings.keys is not None:
        return Access(KeyRing(settings.keys), anonymous_rate_per_s=settings.anonymous_rate_per_s)
    if not settings.is_private and not settings.insecure:
        raise AccessDenied(
            f"Others can reach {settings.host}, and no API keys are set: make one with 'fourtower keys create' and "
            "name its file with --keys, or say --insecure to answer everybody."
        )
    return Access(anonymous_rate_per_s=settings.anonymous_rate_per_s)


def allowed(scope: Scope) -> Callable[..., Coroutine[Any, Any, ApiKey | None]]:
    """A dependency that lets a request in or refuses it: `key: ApiKey | None = Depends(allowed("search"))`."""

    async def admitted(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
    ) -> ApiKey | None:
        access: Access = request.state.fourtower.access  # where nobody put it, an error: nobody gets in by accident
        key = access.admit(bearer.credentials if bearer is not None else header, scope)
        request.state.api_key = key
        return key

    return admitted
