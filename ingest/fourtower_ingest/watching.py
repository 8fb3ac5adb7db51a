"""Notices when the topic that is read becomes another one: deleted and created again, or with more partitions.

Neither is seen from within the log. Offsets would begin anew, or a product's events go to another partition than
before, and where versions are offsets, new events would silently pass for old ones.
"""

from __future__ import annotations

import logging
import threading

from fourtower_ingest.broker.admin import LogAdmin, TopicFacts
from fourtower_ingest.errors import BrokerUnavailable, TopicMismatch
from fourtower_ingest.news import Companion, Inbox
from fourtower_ingest.settings import KafkaSettings, TopicSettings

log = logging.getLogger("fourtower.watching")

EVERY_S = 30.0


class Watching:
    """Looks at the topic of updates in a thread of its own; what it finds ends the process.

    Args:
        kafka: how to reach the brokers.
        topics: what is read, and what its records mean.
        facts: the topic as it was at the start.
        inbox: where a TopicMismatch goes.
        every_s: between two looks.
    """

    def __init__(
        self, kafka: KafkaSettings, topics: TopicSettings, facts: TopicFacts, inbox: Inbox, *, every_s: float = EVERY_S
    ) -> None:
        self._kafka, self._topics, self._facts = kafka, topics, facts
        self._every_s = every_s
        self._missed = self._grown = False
        self._stop = threading.Event()
        self._thread = Companion("watching", self._run, inbox)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                with LogAdmin(self._kafka) as admin:
                    found = admin.topic(self._topics.updates)
            except BrokerUnavailable:
                continue  # whoever reads says so
            self._compare(found)

    def _compare(self, found: TopicFacts | None) -> None:
        name = self._topics.updates
        if found is None:
            if self._missed:  # twice in a row; once may be a broker that has just begun
                raise TopicMismatch(f"The topic {name} is gone; create it, and start again.")
            self._missed = True
            return
        self._missed = False
        if found.topic_id != self._facts.topic_id:
            raise TopicMismatch(
                f"The topic {name} was deleted and created again while it was read (its id was {self._facts.topic_id} "
                f"and is {found.topic_id}); start again to read it from its beginning."
            )
        if found.partitions != self._facts.partitions:
            self._more_partitions(found.partitions)

    def _more_partitions(self, partitions: int) -> None:
        problem = f"The topic {self._topics.updates} had {self._facts.partitions} partitions and has {partitions}"
        if self._topics.version_source == "offset":
            raise TopicMismatch(
                f"{problem}: a product's offsets don't grow any more where its partition changed. "
                "Publish to a new topic, and build a new generation from it."
            )
        if not self._grown:
            log.warning("%s; versions come with the events, so ingestion goes on.", problem)
        self._grown = True
