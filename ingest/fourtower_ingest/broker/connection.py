"""How a client reaches the brokers, and what its errors mean to us: each becomes an instruction of our own."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from kafka import errors

from fourtower_ingest.broker.network import CREDENTIALS, DIRECT, Network, is_untrusted
from fourtower_ingest.errors import BrokerRefused, BrokerUnavailable, IngestError, MessageTooLarge

if TYPE_CHECKING:
    from fourtower_ingest.settings import KafkaSettings

Client = TypeVar("Client")

CLIENT_ID = "fourtower"
MOST_FRAME_BYTES = 100_000_000
"""Of one answer of a broker; a damaged length must not make us reserve more."""

_PASSING = (
    errors.RetriableError,
    errors.BrokerNotAvailableError,
    errors.UnknownBrokerIdError,
    errors.UnknownError,
    # Normal in a group whose members come and go; the next poll joins again.
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    # Of a record that followed one that failed; sent again, it begins a new sequence.
    errors.OutOfOrderSequenceNumberError,
    errors.UnknownProducerIdError,
    errors.InvalidProducerEpochError,
)
_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


def connected(make: Callable[..., Client], kafka: KafkaSettings, **options: Any) -> Client:
    """Make a client of these brokers; one that fails to connect leaves neither sockets nor a thread behind.

    Raises:
        BrokerUnavailable: no broker answered in time.
        BrokerRefused: credentials, permissions, files or settings are wrong.
    """
    networks: list[Network] = []

    def network(**configs: Any) -> Network:
        networks.append(Network(**configs))
        return networks[-1]

    try:
        with translated(kafka, "connecting"):
            return make(kafka_client=network, **{**_shared_options(kafka), **options})
    except BaseException as error:
        for each in networks:
            each.close()
        failure = networks[-1].last_failure if networks else None
        if isinstance(error, BrokerUnavailable) and failure is not None:
            raise _unreachable(kafka, failure) from error
        raise


def _unreachable(kafka: KafkaSettings, failure: Exception) -> IngestError:
    if is_untrusted(failure):
        return BrokerRefused(
            f"The certificate of Kafka at {kafka.bootstrap} is not trusted ({_said(failure)}); "
            "name its authority in FOURTOWER_KAFKA_SSL_CA_FILE."
        )
    return BrokerUnavailable(f"Kafka at {kafka.bootstrap} can't be reached ({_said(failure)}).")


def _shared_options(kafka: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bootstrap_servers": addresses(kafka),
        "client_id": CLIENT_ID,
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": round(kafka.request_timeout_s * 1000),
        "bootstrap_timeout_ms": round(kafka.request_timeout_s * 1000),
        "reconnect_backoff_max_ms": 2000,
        "receive_message_max_bytes": MOST_FRAME_BYTES,
        "proxy_url": DIRECT,
    }
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(kafka)
    return options


def addresses(kafka: KafkaSettings) -> list[str]:
    """The brokers to begin with.

    Raises:
        BrokerRefused: one of them is no address.
    """
    found = [address.strip() for address in kafka.bootstrap.split(",") if address.strip()]
    for address in found:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise BrokerRefused(f"FOURTOWER_KAFKA_BOOTSTRAP names {address!r}; write host:port, separated by commas.")
    if not found:
        raise BrokerRefused("FOURTOWER_KAFKA_BOOTSTRAP is empty; write host:port, separated by commas.")
    return found


@contextmanager
def translated(kafka: KafkaSettings, doing: str) -> Iterator[None]:
    """Turn the client's errors into ours; `doing` ends the sentence "... while" of a message."""
    try:
        yield
    except errors.KafkaError as error:
        raise translation(error, kafka, doing) from error


def translation(error: Exception, kafka: KafkaSettings, doing: str) -> IngestError:
    """What an error of the client means to its reader."""
    brokers, said = f"Kafka at {kafka.bootstrap}", _said(error)
    if isinstance(error, _TOO_LARGE):
        return MessageTooLarge(
            f"{brokers} takes no record of this size while {doing} ({said}); raise max.message.bytes of the topic, "
            "or send less."
        )
    if isinstance(error, CREDENTIALS):
        return BrokerRefused(f"{brokers} refused the credentials ({said}); check FOURTOWER_KAFKA_SASL_*.")
    if isinstance(error, errors.AuthorizationError):
        return BrokerRefused(f"{brokers} does not allow {doing} ({said}); grant it to this user.")
    if isinstance(error, errors.FencedInstanceIdError):
        return BrokerRefused(
            "Another process took over this instance name in the group; give every process a name of its own "
            "(FOURTOWER_INGESTER_INSTANCE)."
        )
    if isinstance(error, _PASSING):
        return BrokerUnavailable(f"{brokers} did not answer while {doing} ({said}); trying again may help.")
    return BrokerRefused(f"{brokers} refused {doing} ({said}); check the settings and the brokers' version.")


def _said(error: Exception) -> str:
    """The client's words, in one line of bounded length."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    text = re.sub(r"^\[Error -?\d+\] ", "", text)
    return f"{name}: {text.removeprefix(f'{name}: ')}"[:300] if text else name


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
        if kafka.ssl_certificate_file is not None:
            password = kafka.ssl_key_password.get_secret_value() or None
            context.load_cert_chain(kafka.ssl_certificate_file, kafka.ssl_key_file, password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = (kafka.ssl_ca_file, kafka.ssl_certificate_file, kafka.ssl_key_file)
        named = ", ".join(str(file) for file in files if file is not None)
        raise BrokerRefused(f"TLS to Kafka can't be set up with {named} ({error}); check FOURTOWER_KAFKA_SSL_*.") from (
            error
        )
    return context
