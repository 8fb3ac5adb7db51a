"""Pictures that cost: hosts that are slow, broken or hostile, and files made to exhaust whoever decodes them.

A product whose picture can't be had is found by its text meanwhile, or set aside if the policy says so. Whatever a host
or a file does, other products flow, and a worker's memory stays within bounds.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tests.faults.bombs import write_bombs
from tests.faults.image_host import HOSTILE, ImageHost, Manner
from tests.faults.metrics import total
from tests.faults.scenario import Limits, Scenario, StageSettings
from tests.faults.stage import Stage
from tests.faults.traffic import from_host, new_products
from tests.stream.generator import PICTURES, Message, event

from fourtower_encoders.fetching import FetchPolicy, ImageFetcher

NAMES = [f"{number}.png" for number in range(PICTURES)]
FETCH_S = 4.0
"""That one picture may take, in these scenarios."""
FLOW_S = 60.0
"""Within which products behind those of a sick host must be through: without patience for hosts, a hundred pictures
that take all the time they may keep two threads for more than three minutes."""
WITH_BOMBS = Limits(worker_mb=1_500)


class Hosts(NamedTuple):
    """Two of them: what ails the one must not be felt by products of the other."""

    good: ImageHost
    moody: ImageHost


@contextmanager
def beside_hosts(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Serve the stage's pictures over HTTP, twice, and let workers and the final check fetch them."""
    folder = stage.cluster.folder / "images"
    with ImageHost(folder) as good, ImageHost(folder) as moody:
        stage.extra = Hosts(good, moody)
        allowed = {"allow_hosts": ("127.0.0.1",), "allow_private": ("127.0.0.0/8",), "ports": (good.port, moody.port)}
        with ImageFetcher(FetchPolicy.model_validate(allowed)) as fetcher:
            stage.fetcher = fetcher
            yield {
                "FOURTOWER_WORKER_ALLOW_HOSTS": "127.0.0.1",
                "FOURTOWER_WORKER_ALLOW_PRIVATE": "127.0.0.0/8",
                "FOURTOWER_WORKER_FETCH_PORTS": f"{good.port},{moody.port}",
                "FOURTOWER_WORKER_FETCH_DEADLINE_S": str(FETCH_S),
            }


def a_host_drips(stage: Stage) -> None:
    """One byte a second, of a million."""
    _sick(stage, ("drips",), 100)


def a_host_is_silent(stage: Stage) -> None:
    """It accepts connections, and says nothing."""
    _sick(stage, ("silent",), 100)


def a_host_answers_nonsense(stage: Stage) -> None:
    """Bodies without an end, errors, redirects in a circle, bombs, bytes that are no HTTP."""
    _sick(stage, HOSTILE, 30)


def _sick(stage: Stage, manners: Sequence[Manner], count: int) -> None:
    """Let a host have each of the manners, for so many products, with as many others behind them."""
    good, moody = _hosts(stage)
    stage.publish(_pictured("early", good, 100, stage))
    stage.wait_until_committed(30)
    for manner in manners:
        moody.manner = manner
        asked = moody.asked["gallery"]
        stage.publish(_pictured(f"{manner}-sick-", moody, count, stage))
        stage.publish(_pictured(f"{manner}-well-", good, count, stage))
        stage.strike(f"a host of pictures has these manners: {manner}")
        began = time.monotonic()
        stage.wait_until_committed(stage.published, timeout_s=FLOW_S)
        stage.note("flowed", manner=manner, seconds=round(time.monotonic() - began, 1))
        assert moody.asked["gallery"] > asked, f"nobody met the host while it {manner}"
    _no_loss(stage)
    moody.manner = "well"
    stage.heal()
    _mend(stage)
    stage.settle()


def _hosts(stage: Stage) -> Hosts:
    assert isinstance(stage.extra, Hosts)
    return stage.extra


def _pictured(name: str, host: ImageHost, count: int, stage: Stage) -> list[Message]:
    images = from_host([host.address(each) for each in NAMES])
    return new_products(count, seed=stage.seed, name=name, images=images)


def _no_loss(stage: Stage) -> None:
    """No child was killed for having waited too long."""
    lost = total(stage.metrics(stage.worker), "fourtower_worker_batches_lost_total")
    assert lost == 0, f"{lost:g} batches were lost"


def _mend(stage: Stage) -> None:
    """Have the missing pictures fetched after all, as an operator does when the host is well again."""

    def complete() -> bool:
        report = json.loads(stage.fourtower("reconcile", "--repair", "--json", code=None))
        stage.note("reconciled", found=report["found"], repaired=report["repaired"], left=report["left"])
        return not report["left"]

    stage.wait(complete, what="reconcile has mended all pictures", timeout_s=120)


def bombs_cost_pictures_only(stage: Stage) -> None:
    """Files that would unpack to gigabytes, are cut off, or are something else: the product keeps its text."""
    usable, products = _bombs(stage)
    stage.publish(stage.messages())
    stage.strike("pictures that are bombs")
    stage.publish(products)
    stage.heal()
    stage.settle()
    missing = _missing(stage, usable)
    assert missing == {name: not fine for name, fine in usable.items()}, f"other fates than promised: {missing}"


def bombs_are_set_aside(stage: Stage) -> None:
    """The same where the policy is to index no product without its pictures: each ends as a dead letter."""
    usable, products = _bombs(stage)
    stage.expect_dead |= {name for name, fine in usable.items() if not fine}
    stage.publish(new_products(300, seed=stage.seed))
    stage.strike("pictures that are bombs")
    stage.publish(products)
    stage.heal()
    stage.settle()
    codes = Counter(dict(letter.headers)["x-dlq-code"] for letter in stage.dead_letters())
    assert codes == {b"image_rejected": len(stage.expect_dead)}, f"other dead letters than expected: {codes}"


def _bombs(stage: Stage) -> tuple[dict[str, bool], list[Message]]:
    """Which products can keep their pictures, by id, and an event for each; every file comes with three products."""
    files = write_bombs(stage.cluster.folder / "images")
    ids = {f"{file}-{number}": file for number in range(3) for file in files}
    attributes = {"category": "vase", "price": 1.0}
    products = [
        event(
            "upsert",
            each,
            1,
            {"title": f"vase {each}", "images": [{"url": f"images/{file}"}], "attributes": attributes},
        )
        for each, file in ids.items()
    ]
    return {each: files[file] for each, file in ids.items()}, products


def _missing(stage: Stage, names: Mapping[str, bool]) -> dict[str, bool]:
    """Which products of these have rows whose picture is said to be missing."""
    from fourtower_search.index.opening import open_index

    with open_index(stage.cluster.index, alias=stage.cluster.alias) as index:
        found = index.get(list(names), consistency="strong")
        return {name: any(row.image_missing for row in product.rows) for name, product in found.items()}


BESIDE_HOSTS = StageSettings(around=beside_hosts)
SCENARIOS = [
    Scenario("F12a", "A host of pictures sends one byte a second", a_host_drips, setup=BESIDE_HOSTS),
    Scenario("F12b", "A host of pictures says nothing", a_host_is_silent, setup=BESIDE_HOSTS),
    Scenario("F12c", "A host of pictures answers nonsense", a_host_answers_nonsense, setup=BESIDE_HOSTS),
    Scenario("F13a", "Pictures are bombs", bombs_cost_pictures_only, events=500, limits=WITH_BOMBS),
    Scenario(
        "F13b",
        "Pictures are bombs, and no product goes without",
        bombs_are_set_aside,
        setup=StageSettings(environment={"FOURTOWER_FLOW_IMAGE_POLICY": "reject"}),
        limits=WITH_BOMBS,
    ),
]
