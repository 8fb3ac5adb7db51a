"""Names of a test's own on the shared servers."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from tests.ingest.process.shop import Shop
from tests.services.kafka import KafkaBroker
from tests.services.redis import RedisServer

from fourtower_ingest.settings import RedisSettings


@pytest.fixture
def redis_settings(redis_server: RedisServer) -> RedisSettings:
    return RedisSettings(url=redis_server.url, prefix=f"t{uuid4().hex[:10]}", timeout_s=1.0)


@pytest.fixture
def shop(kafka_broker: KafkaBroker, redis_server: RedisServer, tmp_path: Path) -> Shop:
    shop = Shop(kafka_broker, redis_server, tmp_path)
    shop.create_topics()
    return shop
