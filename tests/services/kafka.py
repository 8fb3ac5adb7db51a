"""A real Kafka for tests: broker and controller in one JVM, open on one port, with passwords and TLS on another."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from tests.services.processes import Server, Service, free_port, start

JARS = Path(__file__).parents[2] / ".services" / "kafka"
USER, PASSWORD = "catalog", "only-for-tests"
JVM = ("-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


class KafkaBroker(Server):
    """A Kafka of one node; topics and committed offsets survive its restarts."""

    def __init__(self, folder: Path) -> None:
        self.port, self.secure_port, self._controller_port = free_port(), free_port(), free_port()
        self.relayed_port = free_port()
        self.relay_port = self.relayed_port
        """What clients are told that come through `relayed_port`; set it to a proxy's port before the start."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(self._run)

    @property
    def bootstrap(self) -> str:
        """Where clients begin."""
        return f"127.0.0.1:{self.port}"

    @property
    def secure_bootstrap(self) -> str:
        """Where clients with TLS and a password begin."""
        return f"localhost:{self.secure_port}"

    @cached_property
    def ca_file(self) -> Path:
        """The certificate that signed the broker's."""
        self._authority.cert_pem.write_to_path(self.folder / "ca.pem")
        return self.folder / "ca.pem"

    def settings(self, **changes: Any) -> Any:
        """Settings of a client."""
        from fourtower_ingest.settings import KafkaSettings

        return KafkaSettings(**{"bootstrap": self.bootstrap, "request_timeout_s": 15, **changes})

    def segments(self, topic: str, partition: int) -> list[Path]:
        """The files that hold a partition's records."""
        return sorted((self.folder / "data" / f"{topic}-{partition}").glob("*.log"))

    @cached_property
    def _authority(self) -> Any:
        import trustme

        return trustme.CA()

    @cached_property
    def _config(self) -> Path:
        """The server's properties; writing them formats its storage."""
        keys = self.folder / "server.pem"
        keys.write_bytes(_pem(self._authority.issue_cert("localhost")))
        path = self.folder / "server.properties"
        path.write_text(self._properties(keys))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        _run_java("kafka.tools.StorageTool", "format", "-t", cluster.replace("-", "x", 1), "-c", str(path))
        return path

    def _properties(self, keys: Path) -> str:
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{self._controller_port}",
                f"listeners=OPEN://127.0.0.1:{self.port},SECURE://127.0.0.1:{self.secure_port},"
                f"RELAYED://127.0.0.1:{self.relayed_port},CONTROLLER://127.0.0.1:{self._controller_port}",
                f"advertised.listeners=OPEN://127.0.0.1:{self.port},SECURE://localhost:{self.secure_port},"
                f"RELAYED://127.0.0.1:{self.relay_port}",
                "listener.security.protocol.map=OPEN:PLAINTEXT,RELAYED:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
                "controller.listener.names=CONTROLLER",
                "inter.broker.listener.name=OPEN",
                "sasl.enabled.mechanisms=PLAIN",
                f'listener.name.secure.plain.sasl.jaas.config={login} user_{USER}="{PASSWORD}";',
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={keys}",
                f"log.dirs={self.folder / 'data'}",
                "auto.create.topics.enable=false",
                "group.initial.rebalance.delay.ms=0",
                "group.min.session.timeout.ms=1000",
                "offsets.topic.num.partitions=1",
                "offsets.topic.replication.factor=1",
                "transaction.state.log.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "share.coordinator.state.topic.replication.factor=1",
                "num.network.threads=2",
                "num.io.threads=2",
                "log.cleaner.backoff.ms=200",
                "",
            ]
        )

    def _run(self) -> Service:
        command = _java("kafka.Kafka", str(self._config))
        return start(command, port=self.port, log=self.folder / "server.log", ready=self._answers, timeout_s=90)

    def _answers(self) -> bool:
        from fourtower_ingest.broker.admin import LogAdmin
        from fourtower_ingest.errors import BrokerUnavailable

        try:
            with LogAdmin(self.settings(request_timeout_s=1)) as admin:
                admin.topic("ready")
        except BrokerUnavailable:
            return False
        return True


def _pem(certificate: Any) -> bytes:
    """Key and certificates in the one form that Java reads."""
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    pkcs8 = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return pkcs8 + b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


def _java(*words: str) -> list[str]:
    return [shutil.which("java") or "java", *JVM, "-cp", f"{JARS}/*", *words]


def _run_java(*words: str) -> None:
    done = subprocess.run(_java(*words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A Kafka for tests that leave it running; each should use topics and groups of its own."""
    require_kafka()
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def new_kafka(tmp_path: Path) -> Iterator[Callable[[], KafkaBroker]]:
    """Starts a Kafka of the test's own, to be killed, frozen and started again."""
    require_kafka()
    brokers: list[KafkaBroker] = []

    def started() -> KafkaBroker:
        broker = KafkaBroker(tmp_path / f"kafka-{len(brokers)}")
        brokers.append(broker)
        broker.start()
        return broker

    yield started
    for broker in brokers:
        broker.stop()


def require_kafka() -> None:
    """Skip the test where there is no Kafka."""
    if shutil.which("java") is None or not any(JARS.glob("kafka_*.jar")):
        pytest.skip("Kafka is not here; `make services` fetches it")
