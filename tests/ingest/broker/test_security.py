"""Passwords and TLS against a real broker, and what is said where they are wrong."""

import time

import pytest
import trustme
from tests.services.kafka import PASSWORD, USER

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.connection import addresses
from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.errors import BrokerRefused, BrokerUnavailable
from fourtower_ingest.settings import KafkaSettings


@pytest.fixture
def secure(kafka_broker):
    """Settings of a client that may come in, but for some changes."""

    def settings(**changes):
        return kafka_broker.settings(
            **{
                "bootstrap": kafka_broker.secure_bootstrap,
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN",
                "sasl_username": USER,
                "sasl_password": PASSWORD,
                "ssl_ca_file": kafka_broker.ca_file,
                "request_timeout_s": 3,
                **changes,
            }
        )

    return settings


def test_every_client_comes_in_with_password_and_tls(secure, new_topic, group):
    topic, kafka = new_topic(), secure()
    with LogProducer(kafka) as producer:
        assert producer.send(topic, key=b"k", value=b"v").result(10)
    with LogAdmin(kafka) as admin:
        assert admin.topic(topic)
    assert [record.key for record in read_range(kafka, topic)] == [b"k"]
    quiet = {"on_assigned": lambda _: None, "on_revoked": lambda _: {}, "on_lost": lambda _: None}
    LogConsumer.join(kafka, [topic], group=group, **quiet).close(5)


@pytest.mark.parametrize("make", [LogProducer, LogAdmin, lambda kafka: next(read_range(kafka, "t"))])
def test_a_wrong_password_is_refused_at_once_and_not_repeated(secure, make):
    start = time.monotonic()
    with pytest.raises(BrokerRefused, match="refused the credentials") as caught:
        make(secure(sasl_password="not-the-password", request_timeout_s=20))
    assert time.monotonic() - start < 15
    assert "FOURTOWER_KAFKA_SASL_" in str(caught.value)
    assert "not-the-password" not in str(caught.value)
    assert "not-the-password" not in repr(caught.value.__cause__)


def test_a_certificate_of_somebody_else_is_not_trusted(secure, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(BrokerRefused, match=r"not trusted.*FOURTOWER_KAFKA_SSL_CA_FILE"):
        LogAdmin(secure(ssl_ca_file=tmp_path / "other.pem"))


def test_a_broker_that_speaks_no_tls_is_unavailable(kafka_broker, secure):
    with pytest.raises(BrokerUnavailable, match="can't be reached"):
        LogAdmin(secure(bootstrap=f"localhost:{kafka_broker.port}", request_timeout_s=1))


def test_a_mechanism_that_the_broker_does_not_know_is_refused(secure):
    with pytest.raises(BrokerRefused, match=r"UnsupportedSaslMechanismError.*FOURTOWER_KAFKA_SASL_"):
        LogAdmin(secure(sasl_mechanism="SCRAM-SHA-256"))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_is_no_certificate_is_named(secure, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BrokerRefused, match=r"ca\.pem.*FOURTOWER_KAFKA_SSL_"):
        LogAdmin(secure(ssl_ca_file=path))


@pytest.mark.parametrize("bootstrap", ["", " , ", "localhost", "localhost:", ":9092", "localhost:kafka", "a:1,b:99999"])
def test_an_address_that_is_none_is_named(bootstrap):
    with pytest.raises(BrokerRefused, match=r"FOURTOWER_KAFKA_BOOTSTRAP.*host:port"):
        addresses(KafkaSettings(bootstrap=bootstrap))


def test_addresses_are_separated_by_commas():
    assert addresses(KafkaSettings(bootstrap="a:1, [::1]:2,b.example:3,")) == ["a:1", "[::1]:2", "b.example:3"]
