"""Looks at topics, creates and changes them, and asks where they begin and end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from kafka import KafkaAdminClient, errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.protocol.consumer import OffsetSpec
from kafka.structs import TopicPartition

from fourtower_ingest.broker.connection import connected, translated
from fourtower_ingest.broker.terms import as_committed, our_offsets, theirs
from fourtower_ingest.errors import BrokerRefused, BrokerUnavailable, TopicMismatch
from fourtower_ingest.log import Partition
from fourtower_ingest.settings import KafkaSettings

Answer = TypeVar("Answer")

RETRY_S = 0.2
_CODE = re.compile(r"\[Error (-?\d+)\]")
_BUSY = frozenset({"NonEmptyGroupError", "UnknownMemberIdError", "RebalanceInProgressError"})


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What the brokers say about a topic."""

    name: str
    topic_id: str
    """Another one after the topic was deleted and created again."""
    partitions: int
    replication: int
    """Of the partition that has the fewest replicas."""
    configs: Mapping[str, str]
    """All that are in force, whoever set them."""

    @property
    def compacted(self) -> bool:
        """Whether the last record of every key stays; with `compact,delete` old ones are forgotten all the same."""
        return self.configs.get("cleanup.policy") == "compact"


class LogAdmin:
    """Administers topics; used by one thread."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Connect.

        Raises:
            BrokerUnavailable: no broker answered in time.
            BrokerRefused: credentials or settings are wrong.
        """
        self._kafka = kafka
        self._client = connected(KafkaAdminClient, kafka)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connection."""
        self._client.close()

    def topic(self, name: str) -> TopicFacts | None:
        """What is known of one topic; None if there is none of this name."""
        return self.topics([name])[name]

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts | None]:
        """What is known of some topics; None for those that don't exist.

        Raises:
            BrokerUnavailable: the brokers did not answer.
            BrokerRefused: permissions are missing.
        """
        return self._asked("describing topics", lambda: self._topics(names))

    def create(self, name: str, *, partitions: int, replication: int, configs: Mapping[str, str]) -> None:
        """Create a topic, and wait until it can be used.

        Raises:
            TopicMismatch: there is a topic of this name already; it, too, can be used then.
            BrokerUnavailable: the brokers did not answer.
            BrokerRefused: permissions are missing, or the brokers take no such topic.
        """
        wanted = {"num_partitions": partitions, "replication_factor": replication, "configs": dict(configs)}
        with translated(self._kafka, f"creating {name}"):
            answer = self._client.create_topics({name: wanted}, raise_errors=False)["topics"][0]
            exists = answer["error_code"] == errors.TopicAlreadyExistsError.errno
            if not exists and answer["error_code"] != errors.NoError.errno:
                raise errors.for_code(answer["error_code"])(answer["error_message"])
            self._client.wait_for_topics([name], timeout_ms=self._kafka.request_timeout_s * 1000)
        if exists:
            raise TopicMismatch(f"Kafka at {self._kafka.bootstrap} has a topic {name} already.")

    def configure(self, name: str, configs: Mapping[str, str]) -> None:
        """Set some of a topic's settings and leave the rest.

        Raises:
            BrokerUnavailable: the brokers did not answer.
            BrokerRefused: permissions are missing, or the brokers know no such setting or value.
        """
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(configs))
        with translated(self._kafka, f"changing {name}"):
            answer = self._client.alter_configs([resource], raise_on_unknown=False)
        refusal = answer["topic"][name]  # the client answers with a text where it could raise
        if refusal != "OK":
            raise BrokerRefused(f"Kafka at {self._kafka.bootstrap} did not change {name}: {refusal}")

    def committed(self, group: str) -> dict[Partition, int]:
        """The offsets that a group has committed; empty for a group that never did."""
        doing = f"asking for the offsets of {group}"
        found = self._asked(doing, lambda: self._client.list_group_offsets({group: None}).get(group, {}))
        return our_offsets({partition: committed.offset for partition, committed in found.items()})

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Have a group begin at these offsets; it must have no members.

        Raises:
            BrokerUnavailable: the brokers did not answer.
            BrokerRefused: permissions are missing, or somebody reads as this group.
        """
        if offsets:
            doing = f"setting the offsets of {group}"
            self._asked(doing, lambda: self._commit(group, offsets))

    def forget(self, group: str) -> None:
        """Delete a group with its offsets; that there is none is no error.

        Raises:
            BrokerUnavailable: the brokers did not answer.
            BrokerRefused: permissions are missing, or somebody reads as this group.
        """
        self._asked(f"deleting the group {group}", lambda: self._forget(group))

    def members(self, group: str) -> int:
        """How many consumers a group has now; one that was killed counts until its session has timed out.

        Raises:
            BrokerUnavailable: the brokers did not answer.
            BrokerRefused: permissions are missing.
        """
        return self._asked(f"asking who reads as {group}", lambda: self._members(group))

    def begins(self, topics: Sequence[str]) -> dict[Partition, int]:
        """The first offset of every partition."""
        return self._offsets(topics, OffsetSpec.EARLIEST)

    def ends(self, topics: Sequence[str]) -> dict[Partition, int]:
        """The offset that the next record of every partition will have."""
        return self._offsets(topics, OffsetSpec.LATEST)

    def delete_before(self, offsets: Mapping[Partition, int]) -> None:
        """Delete all records before these offsets, for good."""
        if offsets:
            with translated(self._kafka, "deleting records"):
                self._client.delete_records(theirs(offsets))

    def _asked(self, doing: str, ask: Callable[[], Answer]) -> Answer:
        """An answer, asked for again while brokers start, move or elect."""
        deadline = time.monotonic() + self._kafka.request_timeout_s
        while True:
            try:
                with translated(self._kafka, doing):
                    return ask()
            except BrokerUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_S)

    def _commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        answer = self._client.alter_group_offsets(group, as_committed(offsets))
        self._check(group, {error.__name__ for error in answer.values()})

    def _forget(self, group: str) -> None:
        answer = self._client.delete_groups([group])
        self._check(group, set(answer.values()) - {errors.GroupIdNotFoundError.__name__})

    def _members(self, group: str) -> int:
        described = self._client.describe_groups([group])[group]
        if told := described["error"]:  # the client answers with a text where it could raise
            code = _CODE.match(told)
            error = errors.for_code(int(code[1])) if code else errors.UnknownError
            if error is errors.GroupIdNotFoundError:
                return 0
            raise error(group)
        return len(described["members"])

    def _check(self, group: str, told: Set[str]) -> None:
        """Raise what the brokers told of a group that somebody wants to change; the client only returns it."""
        failed = sorted(told - {"OK", errors.NoError.__name__})
        if _BUSY.intersection(failed):
            raise BrokerRefused(
                f"Kafka at {self._kafka.bootstrap} has members in the group {group}; end its ingesters, wait until "
                "they have left (FOURTOWER_INGESTER_SESSION_TIMEOUT_S after a crash), and try again."
            )
        if failed:
            raise getattr(errors, failed[0])(group)

    def _topics(self, names: Sequence[str]) -> dict[str, TopicFacts | None]:
        described = {topic["name"]: topic for topic in self._client.describe_topics(list(names))}
        configs = self._configs([name for name in names if _exists(described[name])])
        return {name: _facts(described[name], configs[name]) if name in configs else None for name in names}

    def _offsets(self, topics: Sequence[str], which: OffsetSpec) -> dict[Partition, int]:
        return self._asked("asking for offsets", lambda: self._ends_of(topics, which))

    def _ends_of(self, topics: Sequence[str], which: OffsetSpec) -> dict[Partition, int]:
        described = self._client.describe_topics(list(topics))
        missing = next((topic["name"] for topic in described if not _exists(topic)), None)
        if missing is not None:
            raise missing_topic(missing, self._kafka)
        wanted = {
            TopicPartition(topic["name"], part["partition_index"]): which
            for topic in described
            for part in topic["partitions"]
        }
        found = self._client.list_partition_offsets(wanted) if wanted else {}
        return our_offsets({partition: at.offset for partition, at in found.items()})

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, None) for name in names]
        answer = self._client.describe_configs(resources, config_filter="all")["topic"]
        return {
            name: {key: entry["value"] for key, entry in answer[name].items() if entry["value"] is not None}
            for name in names
        }


def missing_topic(name: str, kafka: KafkaSettings) -> TopicMismatch:
    """The error that tells of a topic which should exist."""
    return TopicMismatch(f"Kafka at {kafka.bootstrap} has no topic {name}; create it: fourtower topics create")


def _exists(described: Any) -> bool:
    code = described["error_code"]
    if code == errors.UnknownTopicOrPartitionError.errno:
        return False
    if code != errors.NoError.errno:
        raise errors.for_code(code)(described["name"])
    return True


def _facts(described: Any, configs: dict[str, str]) -> TopicFacts:
    partitions = described["partitions"]
    return TopicFacts(
        name=described["name"],
        topic_id=str(described.get("topic_id", "")),
        partitions=len(partitions),
        replication=min(len(part["replica_nodes"]) for part in partitions),
        configs=configs,
    )
