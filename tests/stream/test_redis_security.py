"""All that we ask of Redis works over TLS, for a user who may neither administer it nor touch other keys."""

import pytest
import redis
import trustme
from tests.ingest.process.waiting import next_of
from tests.services.redis import SecureRedis, require_redis
from tests.stream.generator import messages
from tests.stream.verdict import check_everything

from fourtower_ingest.dispatching import Dispatcher
from fourtower_ingest.news import Inbox, PublishFailed
from fourtower_ingest.redis_client import connect
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import IndexBatch, Topology

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_events_are_indexed_by_way_of_a_guarded_redis(new_cluster):
    cluster = new_cluster(redis=SecureRedis)
    cluster.env["FOURTOWER_REDIS_CA_FILE"] = str(cluster.redis.ca_file)
    cluster.env["FOURTOWER_REDIS_PREFIX"] = SecureRedis.PREFIX
    cluster.start()
    cluster.kcat(messages(100, seed=5))
    cluster.wait_until_done()
    check_everything(cluster)
    assert '"kind": "worker"' in cluster.fourtower("status", "--json", code=None)
    assert cluster.worker.stop() == cluster.ingester.stop() == 0
    with cluster.redis.connect() as client:
        assert client.acl_log() == [], "nobody tried what he may not"


def test_a_server_with_another_certificate_gets_nothing(tmp_path):
    require_redis()
    server = SecureRedis(tmp_path / "redis")
    server.start()
    try:
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
        settings = RedisSettings(url=server.url, ca_file=tmp_path / "other.pem", prefix=SecureRedis.PREFIX)
        with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
            connect(settings).ping()
        inbox: Inbox = Inbox()
        dispatcher = Dispatcher(settings, Topology(), inbox, visibility_timeout_s=60)
        dispatcher.start()
        dispatcher.send(IndexBatch(attempt="a", stream="s", events=("{}",)))
        assert "certificate verify failed" in next_of(inbox, PublishFailed).reason
        dispatcher.close(timeout_s=5)
    finally:
        server.stop()
