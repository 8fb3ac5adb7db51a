"""Puts an ingester together from its settings, runs it until it is told to end, and takes it apart again."""

from __future__ import annotations

import gc
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar
from uuid import uuid4

from fourtower_ingest.broker.admin import LogAdmin, TopicFacts
from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.burying import Burying
from fourtower_ingest.condition import Condition, status_of
from fourtower_ingest.dispatching import Dispatcher
from fourtower_ingest.errors import BrokerUnavailable, TopicMismatch
from fourtower_ingest.flow.flow import Flow
from fourtower_ingest.flow.stats import DROPPED, Finished
from fourtower_ingest.hearing import Hearing
from fourtower_ingest.heartbeat import Heartbeat
from fourtower_ingest.ingester import Ingester
from fourtower_ingest.logs import fields
from fourtower_ingest.metrics import IngestMetrics
from fourtower_ingest.news import Inbox
from fourtower_ingest.probes import ProbeServer
from fourtower_ingest.settings import IngestSettings, KafkaSettings, TopicSettings
from fourtower_ingest.watching import Watching
from fourtower_ingest.wire import ProcessStatus, Topology, stream_name

log = logging.getLogger("fourtower.ingest")

STUCK_S = 60.0
"""A loop that has not turned for this long does not work any more."""
FAREWELL_S = 3.0
"""For each thread."""
CLOSE_S = 10.0
"""For the last commit, and for leaving the group."""
_T = TypeVar("_T")


def run_ingester(settings: IngestSettings, ending: threading.Event) -> None:
    """Ingest until `ending` is set, then drain.

    Raises:
        TopicMismatch: a topic is missing, or is another one than the index was built from.
        TopicInvalid: nearly everything in a topic breaks the contract.
        BrokerRefused: Kafka refuses us.
        InvalidSettings: metrics can't be served where they should be.
    """
    heartbeat = Heartbeat(settings.ingester.heartbeat_file)
    facts = _persistently(partial(_facts, settings.kafka, settings.topics), ending, heartbeat)
    if facts is not None:
        _Process(settings, facts, heartbeat).run(ending)


def process_name(instance: str) -> str:
    """A name that no process ever had, and that tells people which one it is."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", instance or socket.gethostname())[:80]
    return f"{readable}-{uuid4().hex[:12]}"


class _Process:
    """The parts of one ingester, and the order in which they start and end."""

    def __init__(self, settings: IngestSettings, facts: TopicFacts, heartbeat: Heartbeat) -> None:
        self._settings, self._heartbeat = settings, heartbeat
        topology = self._topology = _topology(settings, facts)
        self._name = process_name(settings.ingester.instance)
        inbox: Inbox = Inbox()
        redis, flow = settings.redis, settings.flow
        self._dispatcher = Dispatcher(redis, topology, inbox, visibility_timeout_s=flow.visibility_timeout_s)
        self._burying = Burying(partial(LogProducer, settings.kafka), topic=settings.topics.dead_letters, inbox=inbox)
        self._hearing = Hearing(redis, self._name, topology, inbox, status=self._status)
        self._watching = Watching(settings.kafka, settings.topics, facts, inbox)
        self._metrics = IngestMetrics(self._condition)
        self._turned = time.monotonic()
        self._ingester = Ingester(
            self._flow(),
            inbox=inbox,
            dispatch=self._dispatcher.send,
            bury=self._burying.send,
            drain_s=flow.drain_s,
            on_turn=self._on_turn,
            on_finished=self._metrics.note if settings.ingester.dead_letters else self._note_dropped,
        )

    def run(self, ending: threading.Event) -> None:
        with ExitStack() as parts:
            self._serve_probes(parts)
            for part in (self._dispatcher, self._burying, self._hearing, self._watching):
                part.start()
                parts.callback(part.close, FAREWELL_S)
            consumer = _persistently(self._join, ending, self._heartbeat)
            if consumer is not None:
                parts.callback(_close, consumer)
                log.info("Ingesting %s as %s", ", ".join(self._settings.topics.read), self._name)
                gc.freeze()  # what was loaded stays, and need not be looked through for garbage
                self._ingester.run(consumer, ending)

    def _flow(self) -> Flow:
        topics = self._settings.topics
        return Flow(
            self._settings.flow,
            topics.rules,
            topology=self._topology,
            stream=stream_name(self._settings.redis.prefix, self._name),
            source=topics.updates,
            replay_topic=topics.replays if topics.compacted else "",
            dead_letters_on=self._settings.ingester.dead_letters,
        )

    def _join(self) -> LogConsumer:
        settings = self._settings
        return LogConsumer.join(
            settings.kafka,
            settings.topics.read,
            group=settings.ingester.group,
            instance=settings.ingester.instance,
            session_timeout_s=settings.ingester.session_timeout_s,
            max_record_bytes=settings.topics.max_event_bytes,
            on_assigned=self._ingester.assigned,
            on_revoked=self._ingester.revoked,
            on_lost=self._ingester.lost,
        )

    def _serve_probes(self, parts: ExitStack) -> None:
        own = self._settings.ingester
        if own.metrics_port:
            server = ProbeServer(
                self._metrics.registry,
                host=own.metrics_host,
                port=own.metrics_port,
                live=self._stuck,
                ready=self._not_ready,
            )
            parts.callback(server.close)

    def _on_turn(self, now: float) -> None:
        self._turned = now
        self._heartbeat.beat(now)

    def _note_dropped(self, finished: list[Finished]) -> None:
        """Beside the metrics, say of each record that nobody will hear of it again."""
        self._metrics.note(finished)
        for record in finished:
            if record.status == DROPPED:
                said = fields(place=record.place, product_id=record.product_id, code=record.code)
                log.warning("Dropped without a dead letter", extra=said)

    def _condition(self) -> Condition | None:
        latest = self._ingester.condition
        return None if latest is None else replace(latest, redis_away=self._hearing.away)

    def _status(self) -> ProcessStatus | None:
        latest = self._condition()
        return None if latest is None else status_of(latest, self._name, self._topology)

    def _stuck(self) -> str:
        age = time.monotonic() - self._turned
        return f"The poll loop has not turned for {age:.0f} s." if age > STUCK_S else ""

    def _not_ready(self) -> str:
        latest = self._ingester.condition
        return "" if latest is not None and latest.stable else "The group has not settled yet."


def _facts(kafka: KafkaSettings, topics: TopicSettings) -> TopicFacts:
    """What is known of the topic of updates, once all topics exist."""
    with LogAdmin(kafka) as admin:
        found = admin.topics([*topics.read, topics.dead_letters])
    missing = [name for name, facts in found.items() if facts is None]
    if missing:
        raise TopicMismatch(
            f"Kafka at {kafka.bootstrap} has no topic {' and no topic '.join(missing)}; "
            "create what is missing: fourtower topics create"
        )
    facts = found[topics.updates]
    assert facts is not None
    return facts


def _topology(settings: IngestSettings, facts: TopicFacts) -> Topology:
    """What every task says it is for; offsets of another topic are no versions of the same products.

    Where versions come with the events, another topic or more partitions change nothing that they would not settle, so
    tasks don't name the topic, and workers don't ask.
    """
    wanted, topics = settings.topics.topic_id, settings.topics
    if wanted and wanted != facts.topic_id:
        problem = f"The topic {topics.updates} has the id {facts.topic_id}, and the index was built from {wanted}"
        if topics.version_source == "offset":
            raise TopicMismatch(f"{problem}: its offsets are other versions. Build a new generation from this topic.")
        log.warning("%s. Versions come with the events, so ingestion goes on.", problem)
    topology = Topology(alias=settings.ingester.alias, generation=settings.ingester.generation)
    if topics.version_source == "event":
        return topology
    return topology.model_copy(update={"topic_id": facts.topic_id, "partition_count": facts.partitions})


def _persistently(attempt: Callable[[], _T], ending: threading.Event, heartbeat: Heartbeat) -> _T | None:
    """Try until Kafka answers; None if the process is told to end before."""
    complained = False
    while not ending.is_set():
        heartbeat.beat(time.monotonic())
        try:
            return attempt()
        except BrokerUnavailable as error:
            if not complained:
                log.warning("%s It is tried again and again.", error)
            complained = True
            ending.wait(error.retry_after_s)
    return None


def _close(consumer: LogConsumer) -> None:
    try:
        consumer.close(CLOSE_S)
    except BrokerUnavailable as error:
        log.warning("The group was left without a word: %s", error)
