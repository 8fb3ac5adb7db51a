"""Stands in for the controllers and kubelets that an API server alone does not have: ends Jobs and test pods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from tests.cluster.server import ApiServer, Refused

EVERY_S = 0.3


class Cluster:
    """Gives the Jobs and the bare pods of a namespace an end, through the status subresource, as real ones have.

    Args:
        server: where they are.
        namespace: which ones.
        failing: names of Jobs that fail.
    """

    def __init__(self, server: ApiServer, namespace: str, *, failing: tuple[str, ...] = ()) -> None:
        self.ended: list[str] = []
        """The names of what was given an end, in order; a name comes again when it was made again."""
        self._server, self._namespace, self._failing = server, namespace, failing
        self._seen: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """While this is open."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._thread.join(60)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            with suppress(Refused):  # deleted meanwhile
                for each in self._server.all("jobs,pods", self._namespace):
                    if each["metadata"]["uid"] not in self._seen:
                        self._end(each)
                        self._seen.add(each["metadata"]["uid"])

    def _end(self, found: dict[str, Any]) -> None:
        kind, name = found["kind"].lower(), found["metadata"]["name"]
        status = {"phase": "Succeeded"} if kind == "pod" else _job_status(failed=name in self._failing)
        self._server.kubectl(
            *("patch", kind, name, "-n", self._namespace, "--subresource=status", "--type=merge"),
            *("-p", json.dumps({"status": status})),
        )
        self.ended.append(name)


def _job_status(*, failed: bool) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kinds = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
    conditions = [
        {"type": kind, "status": "True", "reason": "StandIn", "lastTransitionTime": now, "lastProbeTime": now}
        for kind in kinds
    ]
    counted = {"failed": 1} if failed else {"succeeded": 1, "completionTime": now}
    return {"startTime": now, "conditions": conditions, **counted}
