"""Topics for the tests of the door, on the session's broker."""

import itertools
import uuid

import pytest

from fourtower_ingest.broker.admin import LogAdmin

_numbers = itertools.count()


@pytest.fixture
def kafka(kafka_broker):
    """Settings of a client of the session's broker."""
    return kafka_broker.settings()


@pytest.fixture
def admin(kafka):
    with LogAdmin(kafka) as made:
        yield made


@pytest.fixture
def new_topic(admin):
    """Creates topics that nobody else uses."""

    def created(partitions=1, **configs):
        name = f"topic-{next(_numbers)}-{uuid.uuid4().hex[:8]}"
        named = {key.replace("_", "."): str(value) for key, value in configs.items()}
        admin.create(name, partitions=partitions, replication=1, configs=named)
        return name

    return created


@pytest.fixture
def group():
    return f"group-{uuid.uuid4().hex[:8]}"
