"""What the chart refuses is refused on its way into a cluster, too: nothing is made, nothing that runs is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from tests.cluster.presets import KINDS, values
from tests.cluster.server import CHART, ApiServer, Refused
from tests.cluster.standing_in import Cluster
from tests.helm.rendering import PRODUCTION, TRIAL, nested
from tests.helm.test_refusals import ALLOWED_WHEN_SAID, REFUSED, UNKNOWN

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
RELEASE = "fourtower"
CASES = {
    **REFUSED,
    **{f"no protection of {what}": (PRODUCTION, changes, "") for what, changes in ALLOWED_WHEN_SAID.items()},
    **{f"unknown {what}": (TRIAL, changes, "schema") for what, changes in UNKNOWN.items()},
}


@pytest.fixture(scope="module")
def empty(server: ApiServer) -> Iterator[str]:
    """A namespace into which nothing is ever installed."""
    with server.namespace() as name:
        yield name


@pytest.fixture(scope="module")
def lived_in(server: ApiServer) -> Iterator[str]:
    """A namespace with a release."""
    with server.namespace() as name:
        with Cluster(server, name).running():
            server.helm("install", RELEASE, str(CHART), "-n", name, *values("production"), "--timeout", "120s")
        yield name


def contents(server: ApiServer, namespace: str) -> dict[tuple[str, str], str]:
    """Every object that is there, helm's own records too, and which version of it."""
    found = server.all(f"{KINDS},secrets", namespace)
    return {(each["kind"], each["metadata"]["name"]): each["metadata"]["resourceVersion"] for each in found}


def helm(server: ApiServer, verb: str, namespace: str, case: str) -> str:
    """What helm says when it refuses the values of a case."""
    files, changes, _ = CASES[case]
    options = [word for file in files for word in ("-f", str(file))]
    with pytest.raises(Refused) as refused:
        server.helm(
            *(verb, RELEASE, str(CHART), "-n", namespace, *options, "-f", "-", "--timeout", "10s"),
            given=yaml.safe_dump(nested(changes)),
        )
    return str(refused.value)


def test_the_release_that_must_not_change_is_seen(server: ApiServer, empty: str, lived_in: str) -> None:
    """The control of the tests below."""
    assert contents(server, empty) == {}
    kinds = {kind for kind, _ in contents(server, lived_in)}
    assert {"Deployment", "StatefulSet", "NetworkPolicy", "ScaledObject", "Secret"} <= kinds


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_a_bad_values_file_installs_nothing(server: ApiServer, empty: str, case: str) -> None:
    assert CASES[case][2] in helm(server, "install", empty, case)
    assert contents(server, empty) == {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_a_bad_values_file_changes_nothing_that_runs(server: ApiServer, lived_in: str, case: str) -> None:
    before = contents(server, lived_in)
    assert CASES[case][2] in helm(server, "upgrade", lived_in, case)
    assert contents(server, lived_in) == before
