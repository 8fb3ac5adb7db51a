"""Every test starts alike: no network beyond loopback, a clean environment, fixed seeds, one thread."""

from __future__ import annotations

import ipaddress
import os
import random
import re
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tests.services.kafka import kafka_broker, new_kafka  # noqa: F401  fixtures for every test below
from tests.services.milvus import lite_server, milvus_server  # noqa: F401
from tests.services.redis import new_redis, redis_server  # noqa: F401
from tests.services.towers import tiny_towers  # noqa: F401

# How long drawing an example takes says more about the machine than about the test.
hypothesis.settings.register_profile(
    "fourtower", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("fourtower")

ABOUT_GPU = re.compile(r"\b(gpu|gpus|cuda)\b", re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    # Read by the numeric libraries when they are first imported; one thread keeps sums in one order.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    config.addinivalue_line("markers", 'slow: takes more than some seconds (leave out with -m "not slow")')
    config.addinivalue_line(
        "markers", "long: half a minute or more, beside a quicker test of the same (`make test-long`)"
    )
    config.addinivalue_line("markers", "gpu: needs a CUDA device; skipped where there is none")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_comes_late)
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing and not _has_gpu():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="no GPU on this machine"))


def _comes_late(item: pytest.Item) -> bool:
    """Files of which a few tests take minutes begin first, so that at the end nobody waits for one of them."""
    folder = item.path.parent.relative_to(Path(__file__).parent).as_posix()
    return folder not in ("faults", "stream", "workers/stream", "ingest/process", "ingest/broker")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


# In CI nothing may be left out silently: only missing GPU hardware excuses a test.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or os.environ.get("CI", "").lower() not in ("1", "true"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not ABOUT_GPU.search(reason):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped in CI, which only a missing GPU excuses. {reason}"


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Make any attempt to resolve a name or connect beyond this machine fail the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _guard_lookup(socket.getaddrinfo))
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _guard_connect(getattr(socket.socket, method)))
        yield


def _guard_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in (None, "", "localhost", b"localhost") and not _is_numeric(lookup, host):
            pytest.fail(f"a test tried to look up {host!r}; tests use loopback only")
        return lookup(host, port, *args, **kwargs)

    return guarded


def _is_numeric(lookup: Callable[..., Any], host: Any) -> bool:
    """Addresses in any notation, such as 127.1, are told apart from names without asking anybody."""
    try:
        lookup(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    return True


def _guard_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            pytest.fail(f"a test tried to connect to {address[0]!r}; tests use loopback only")
        return connect(self, address)

    return guarded


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own settings must not reach a test."""
    for name in list(os.environ):
        if name.startswith("FOURTOWER_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Give global generators a known state; a torch imported later starts with a fixed one anyway."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
        torch.set_num_threads(1)
