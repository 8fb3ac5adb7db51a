"""Six faults in their quick forms, on a Kafka that other tests use as well; `make faults` plays all of them, longer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.faults.matrix import chosen
from tests.faults.runner import play
from tests.services.redis import require_redis

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
EVENTS = 600
SEED = 11


@pytest.mark.parametrize("name", ["F1b", "F2b", "F4", "F5", "F7", "F11a"])
def test_a_fault_under_load_breaks_no_invariant(name, kafka_broker, tmp_path):
    require_redis()
    (scenario,) = (each for each in chosen(name) if each.name == name)
    result = play(replace(scenario, events=EVENTS), seed=SEED, broker=kafka_broker, folder=tmp_path / name, keep=False)
    assert not result.skipped
    assert result.violations == ()
    assert result.figures["products"] > 20
