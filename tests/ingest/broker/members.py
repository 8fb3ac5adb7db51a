"""A member of a consumer group in a thread of its own, for tests of what happens between members."""

import threading
import time

from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.errors import BrokerUnavailable, PartitionUnreadable


def until(condition, *, what, seconds=30):
    """Wait until a condition holds, and answer with what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return found


def publish(kafka, topic, keys, *, partition=None, value=b"x"):
    """Write one record per key, and wait until the broker has them all."""
    with LogProducer(kafka) as producer:
        sent = [producer.send(topic, key=key.encode(), value=value, partition=partition) for key in keys]
        return [future.result(30) for future in sent]


class Member:
    """Reads until it is told to stop; what it has read it may commit, also of partitions that it must let go."""

    def __init__(self, kafka, topics, group, *, instance="", session_timeout_s=6.0, commits=True):
        self.records, self.owned, self.revoked, self.lost, self.errors = [], set(), [], [], []
        self.assigned, self.commits, self.unreadable = [], commits, []
        self._stop = threading.Event()
        self.consumer = LogConsumer.join(
            kafka,
            topics,
            group=group,
            instance=instance,
            session_timeout_s=session_timeout_s,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
            on_lost=self._on_lost,
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def places(self):
        return [record.place for record in self.records]

    def reached(self):
        """The next offset of each partition after what was read."""
        found = {}
        for place in self.places:
            found[place.partition] = max(found.get(place.partition, 0), place.offset + 1)
        return found

    def _run(self):
        while not self._stop.is_set():
            try:
                self.records += self.consumer.poll(0.1)
            except BrokerUnavailable as error:
                self.errors.append(error)
            except PartitionUnreadable as error:
                self.unreadable.append(error)
        self.consumer.close(5)

    def _on_assigned(self, partitions):
        self.assigned.append(partitions)
        self.owned |= partitions

    def _on_revoked(self, partitions):
        self.revoked.append(partitions)
        self.owned -= partitions
        reached = self.reached()
        return {part: reached[part] for part in partitions if part in reached} if self.commits else {}

    def _on_lost(self, partitions):
        self.lost.append(partitions)
        self.owned -= partitions
