"""Which release of Fourtower this is."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version


@lru_cache(maxsize=1)
def own_version() -> str:
    """The installed version, looked up once; 0 where the code runs from a source tree."""
    try:
        return version("fourtower")
    except PackageNotFoundError:
        return "0"
