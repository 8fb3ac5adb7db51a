"""The limit on invalid records: a topic that is wholly invalid has a fault that no dead letter mends."""

from __future__ import annotations

from collections import deque

SUSPICIOUS = 10
"""Invalid records in the window from which on their share counts."""


class Invalidity:
    """Watches the last records of each topic.

    Args:
        window: how many of them.
        share: of invalid ones, above which the topic is given up.
    """

    def __init__(self, window: int, share: float) -> None:
        self._window, self._share = window, share
        self._valid: dict[str, deque[bool]] = {}
        self._invalid: dict[str, int] = {}
        self.reason = ""
        """Why a topic was given up; empty as long as none is."""

    def seen(self, topic: str, *, valid: bool, complaint: str = "") -> None:
        """A record was read."""
        window = self._valid.get(topic)
        if window is None:
            window = self._valid[topic] = deque(maxlen=self._window)
            self._invalid[topic] = 0
        if len(window) == self._window and not window[0]:
            self._invalid[topic] -= 1
        window.append(valid)
        if not valid:
            self._invalid[topic] += 1
            if len(window) == self._window and self._beyond(topic):
                self._stop(topic, complaint)

    def suspicious(self) -> bool:
        """Whether a topic may turn out to be wholly invalid: then its dead letters better wait."""
        return any(count >= SUSPICIOUS and self._beyond(topic) for topic, count in self._invalid.items())

    def _beyond(self, topic: str) -> bool:
        return self._invalid[topic] > self._share * len(self._valid[topic])

    def _stop(self, topic: str, complaint: str) -> None:
        self.reason = self.reason or (
            f"{self._invalid[topic]} of the last {self._window} records of {topic} break the contract, the latest so: "
            f"{complaint} Mend the producer or the topic's settings, then start again; nothing of this was committed "
            f"unless a dead letter holds it."
        )
