"""Judges a history and what was there at the end: pure, so each invariant can be shown to fail.

I8 (nothing without a key) is the HTTP service's, and looked at where that is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import Any

from tests.faults.final import Final
from tests.faults.history import Operation
from tests.faults.scenario import Limits
from tests.stream.oracle import judge
from tests.stream.verdict import Raw

States = Mapping[str, tuple[int, dict[str, Any] | None]]
SHOWN = 5
"""Examples in a message."""
LONGEST_SILENCE_S = 15.0
"""Between two searches of a client that nobody stopped."""


@dataclass(frozen=True)
class Violation:
    """Something that no fault excuses."""

    invariant: str
    message: str


@dataclass(frozen=True)
class Case:
    """All that is judged."""

    history: Sequence[Operation]
    final: Final
    limits: Limits

    def operations(self, op: str) -> list[Operation]:
        """Those of one kind."""
        return [operation for operation in self.history if operation.op == op]

    def expected(self) -> tuple[States, set[Any]]:
        """What the log comes to: products, and places of dead letters."""
        states, dead = judge(self.final.log)
        doomed = {
            record.place
            for record in self.final.log
            if (record.key or b"").decode("utf-8", "replace") in self.final.expect_dead
        }
        return {name: state for name, state in states.items() if name not in self.final.expect_dead}, dead | doomed


Check = Callable[[Case], Iterator[str]]


def check(history: Sequence[Operation], final: Final, limits: Limits) -> list[Violation]:
    """All violations; none is a pass."""
    case = Case(history, final, limits)
    return [Violation(name, message) for name, test in CHECKS.items() for message in test(case)]


def index_is_the_log(case: Case) -> Iterator[str]:
    """I1: the index holds what the log comes to: ids, versions, fields, and vectors of these very fields."""
    states, _ = case.expected()
    held = case.final.held
    versions = {name: (each.version, each.deleted) for name, each in held.items()}
    wanted = {name: (version, product is None) for name, (version, product) in states.items()}
    yield from _difference("products", wanted, versions)
    if partial := sorted(case.final.incomplete):
        yield f"{len(partial)} products have rows and no complete version: {partial[:SHOWN]}"
    if surplus := sorted(name for name, each in held.items() if each.surplus):
        yield f"{len(surplus)} products have rows of other versions: {surplus[:SHOWN]}"
    live = {name: product for name, (_, product) in states.items() if product is not None and name in held}
    contents = {name: _content(product) for name, product in live.items() if not held[name].deleted}
    yield from _difference(
        "contents",
        contents,
        {name: [held[name].title, dict(held[name].attributes), held[name].views] for name in contents},
    )
    if wrong := sorted(case.final.wrong_vectors.items()):
        yield f"{len(wrong)} products have wrong vectors: {wrong[:SHOWN]}"


def _content(product: Mapping[str, Any]) -> list[Any]:
    attributes = {name: each for name, each in product["attributes"].items() if each != []}
    return [product.get("title", ""), attributes, max(1, len(product.get("images", ())))]


def committed_is_done(case: Case) -> Iterator[str]:
    """I2: what lies below a committed offset is in the index, is superseded there, or is a dead letter."""
    committed = {partition: case.final.committed.get(partition, 0) for partition in case.final.ends}
    yield from _difference("offsets at the end", dict(case.final.ends), committed)
    seen: dict[str, int] = {}
    owed = _Owed(case)
    for sample in case.operations("sample"):
        _see(seen, sample)
        owed.committed({(topic, number): offset for topic, number, offset in sample.facts.get("committed", ())})
        lacking = {name: version for name, version in owed.versions.items() if seen.get(name, -1) < version}
        if lacking:
            yield f"at {sample.at:.1f} s the index lacks what is committed: {sorted(lacking.items())[:SHOWN]}"
        letters = sample.facts.get("letters")
        if letters is not None and letters < owed.letters:
            yield f"at {sample.at:.1f} s {owed.letters} committed records should be dead letters, there are {letters}"


class _Owed:
    """What must be there, given what is committed: worked out anew only for products of which more is committed."""

    def __init__(self, case: Case) -> None:
        self.versions: dict[str, int] = {}
        """The one up to which each product must be in the index."""
        self.letters = 0
        self._poison = case.final.expect_dead
        self._dead = case.expected()[1]
        self._by_partition: dict[tuple[str, int], list[Raw]] = defaultdict(list)
        self._by_key: dict[bytes | None, list[Raw]] = defaultdict(list)
        for record in sorted(case.final.log, key=lambda record: record.place[2], reverse=True):
            self._by_partition[record.place[:2]].append(record)

    def committed(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Everything below these offsets is done."""
        changed = set()
        for partition, offset in offsets.items():
            waiting = self._by_partition[partition]
            while waiting and waiting[-1].place[2] < offset:
                record = waiting.pop()
                self.letters += record.place in self._dead
                self._by_key[record.key].append(record)
                changed.add(record.key)
        for key in changed:
            states, _ = judge(self._by_key[key])
            self.versions |= {name: version for name, (version, _) in states.items() if name not in self._poison}


def versions_never_fall(case: Case) -> Iterator[str]:
    """I3: a strong reader never sees a product go back, nor vanish."""
    seen: dict[str, int] = {}
    for sample in case.operations("sample"):
        before = dict(seen)
        _see(seen, sample)
        fallen = {name: (before[name], seen[name]) for name in before if seen[name] < before[name]}
        if fallen:
            yield f"at {sample.at:.1f} s versions had fallen: {sorted(fallen.items())[:SHOWN]}"


def _see(seen: dict[str, int], sample: Operation) -> None:
    for name, state in sample.facts.get("changed", {}).items():
        seen[name] = -1 if state is None else state[0]


def deleted_is_not_found(case: Case) -> Iterator[str]:
    """I4: searches find what is live, all of it, and nothing else."""
    live = {name for name, (_, product) in case.expected()[0].items() if product is not None}
    for what, ids in (("listed", case.final.listed), ("found", case.final.found)):
        if ids != live:
            ghosts, lacking = sorted(ids - live)[:SHOWN], sorted(live - ids)[:SHOWN]
            yield f"{what} and not live: {ghosts}; live and not {what}: {lacking}"
    settled = max((operation.at for operation in case.operations("settled")), default=float("inf"))
    late = [search for search in case.operations("search") if search.facts["began"] > settled]
    if ghosts := {name for search in late for name in search.facts.get("ids", ())} - live:
        yield f"searches after all had settled found what is not live: {sorted(ghosts)[:SHOWN]}"


def dead_letters_are_the_bad_ones(case: Case) -> Iterator[str]:
    """I5: exactly the records that can't be indexed have a dead letter, and one only."""
    _, dead = case.expected()
    letters = set(case.final.letters)
    if letters != dead:
        values = {record.place: record.value for record in case.final.log}
        surplus, lacking = sorted(letters - dead), sorted(dead - letters)
        yield f"too many: {[(place, values.get(place)) for place in surplus[:SHOWN]]}; too few: {lacking[:SHOWN]}"
    if not case.limits.repeated_letters and len(case.final.letters) != len(letters):
        yield f"{len(case.final.letters) - len(letters)} dead letters came twice"


def work_was_done(case: Case) -> Iterator[str]:
    """I6: events came, the fault hit a system at work, everybody lives, and it recovered in time."""
    published = sum(operation.facts["count"] for operation in case.operations("publish"))
    if not published or not any(not each.deleted for each in case.final.held.values()):
        yield f"nothing was done: {published} events published, {len(case.final.held)} products in the index"
    if len(case.operations("sample")) < 3 or len(case.operations("search")) < 3:
        yield "nobody looked: there are too few samples or searches"
    strikes, settled = case.operations("strike"), case.operations("settled")
    if strikes and not any(strike.facts.get("left") != 0 for strike in strikes):
        yield "the fault struck when all was done"
    if not settled:
        yield "it never settled"
    elif (took := settled[-1].facts["seconds"]) > case.limits.recovery_s:
        yield f"it took {took:.0f} s to recover, more than {case.limits.recovery_s:.0f}"
    for operation in case.operations("roll call"):
        if operation.facts["missing"]:
            yield f"ended by themselves: {operation.facts['missing']}"


def search_is_there(case: Case) -> Iterator[str]:
    """I7: searches fail during the fault at most, as seldom as it allows, and fast."""
    gathered = max((operation.at for operation in case.operations("roll call")), default=float("inf"))
    # Later ones compete with the final check, which reads everything.
    searches = [search for search in case.operations("search") if search.facts["began"] <= gathered]
    windows = _windows(case)
    inside = [search for search in searches if any(begin <= search.at <= end for begin, end in windows)]
    for search in searches:
        if not search.facts["ok"] and search not in inside:
            yield f"a search failed at {search.at:.1f} s, without a fault: {search.facts.get('message', '')[:200]}"
            break
    failed = sum(not search.facts["ok"] for search in inside)
    if failed > case.limits.search_failures * len(inside):
        yield f"{failed} of {len(inside)} searches failed during the fault"
    if slow := [search for search in searches if search.facts["ms"] > case.limits.search_s * 1000]:
        yield f"{len(slow)} searches took longer than {case.limits.search_s:g} s, one {slow[0].facts['ms']:.0f} ms"
    silence = max((after.facts["began"] - before.at for before, after in pairwise(searches)), default=0.0)
    if silence > LONGEST_SILENCE_S and not any(op.actor == "searcher" for op in case.operations("freeze")):
        yield f"for {silence:.0f} s there was no search at all"


def _windows(case: Case) -> list[tuple[float, float]]:
    """From each strike until all had settled."""
    settled = [operation.at for operation in case.history if operation.op in ("settled", "recovered")]
    strikes = [operation.at for operation in case.operations("strike")]
    return [(strike, min((at for at in settled if at > strike), default=float("inf"))) for strike in strikes]


def resources_are_bounded(case: Case) -> Iterator[str]:
    """I9: memory, descriptors, Redis and repeated work stay within limits, and memory does not keep growing."""
    limits, shots = case.limits, case.operations("footprints")
    for name, found in _by_process(shots).items():
        most = limits.worker_mb if name.startswith("worker") else limits.ingester_mb
        peak, descriptors = max(mb for mb, _ in found), max(count for _, count in found)
        ours = name.startswith(("worker", "ingest"))
        if ours and peak > most:
            yield f"{name} held {peak:.0f} MB, more than {most:.0f}"
        if ours and descriptors > limits.descriptors:
            yield f"{name} held {descriptors} descriptors, more than {limits.descriptors}"
        if ours and len(found) >= 30 and (by := _growth([mb for mb, _ in found])) > limits.growth:
            yield f"{name} grew by a factor of {by:.2f}"
    redis = [shot.facts["redis"] for shot in shots if shot.facts["redis"]]
    for fact, most in (("keys", limits.redis_keys), ("mb", limits.redis_mb)):
        if (peak := max((each[fact] for each in redis), default=0)) > most:
            yield f"Redis held {peak:g} {fact}, more than {most:g}"
    if (share := encodes_per_named(case)) > limits.encodes:
        yield f"encoded {share:.2f} times what the events name, more than {limits.encodes:g}"


def _by_process(shots: Sequence[Operation]) -> dict[str, list[tuple[float, int]]]:
    found: dict[str, list[tuple[float, int]]] = {}
    for shot in shots:
        for name, each in shot.facts["processes"].items():
            found.setdefault(f"{name} ({each['pid']})", []).append((each["mb"], each["descriptors"]))
    return found


def _growth(sizes: Sequence[float]) -> float:
    """From the third quarter to the last: before that a process may still load what it needs.

    What counts is what four of five looks stay below: now and then a child is gone, or has a large picture.
    """
    quarter = len(sizes) // 4
    before, after = (quantiles(some, n=5)[-1] for some in (sizes[-2 * quarter : -quarter], sizes[-quarter:]))
    return after / max(1.0, before)


def encodes_per_named(case: Case) -> float:
    """Pictures and texts that were encoded, as a share of those that the log's good events name."""
    counts: dict[tuple[str, int], float] = {}
    for operation in case.operations("encoded"):
        counts[operation.facts["worker"], operation.facts["pid"]] = operation.facts["count"]
    _, dead = case.expected()
    named = sum(_named(record) for record in case.final.log if record.place not in dead)
    return sum(counts.values()) / named if named else 0.0


def _named(record: Raw) -> int:
    product = json.loads(record.value).get("product", {}) if record.value else {}
    return bool(product.get("title")) + len(product.get("images", ()))


def _difference(what: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterator[str]:
    """In one sentence, with some examples."""
    wrong = [(key, wanted.get(key), found.get(key)) for key in wanted | found if wanted.get(key) != found.get(key)]
    if wrong:
        yield f"{len(wrong)} {what} differ (which, wanted, found): {sorted(wrong, key=str)[:SHOWN]}"


CHECKS: Mapping[str, Check] = {
    "I1": index_is_the_log,
    "I2": committed_is_done,
    "I3": versions_never_fall,
    "I4": deleted_is_not_found,
    "I5": dead_letters_are_the_bad_ones,
    "I6": work_was_done,
    "I7": search_is_there,
    "I9": resources_are_bounded,
}
