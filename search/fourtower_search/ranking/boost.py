"""Boosts: mixes scores with what a shop knows of its products, such as ratings, stock and age."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fourtower_search.filters import Filter
from fourtower_search.index.rows import Row
from fourtower_search.query.boosts import (
    Boost,
    DecayBoost,
    FlagBoost,
    LinearBoost,
    MatchBoost,
    SaturationBoost,
    plain_distance,
    plain_point,
)
from fourtower_search.ranking.candidates import Candidate, by_score
from fourtower_search.ranking.explain import Node, Op, leaf, node

Matcher = Callable[[Filter], Callable[[Row], bool]]
"""Turns a filter into a test of rows."""

_DECAYS: dict[str, Op] = {"gauss": "gauss", "exp": "exp", "linear": "fade"}


def boost(
    candidates: Sequence[Candidate], boosts: Sequence[Boost], *, now_ms: int, matcher: Matcher
) -> list[Candidate]:
    """Mix boosts into the scores: `score + Σ weight (boost - score)`.

    A product without the attribute of a boost is left as it is by it, as is every product by a weight of 0.
    """
    signals = [(each.weight, _signal(each, now_ms, matcher)) for each in boosts]
    return by_score(_boosted(candidate, signals) for candidate in candidates) if boosts else list(candidates)


def _boosted(candidate: Candidate, signals: Sequence[tuple[float, Callable[[Candidate], Node | None]]]) -> Candidate:
    found = [(weight, value) for weight, signal in signals if (value := signal(candidate)) is not None]
    score = candidate.score + sum(weight * (value.value - candidate.score) for weight, value in found)
    if candidate.trail is None:
        return candidate._replace(score=score)
    kept = node("product", "kept", leaf("share", 1 - sum(weight for weight, _ in found)), candidate.trail)
    added = [node("product", value.label, leaf("share", weight), value) for weight, value in found]
    return candidate._replace(score=score, trail=node("blend", "boosted", kept, *added))


def _signal(boost: Boost, now_ms: int, matcher: Matcher) -> Callable[[Candidate], Node | None]:
    """From a candidate to the boost's value in 0..1; None: it has no such attribute."""
    if isinstance(boost, MatchBoost):
        holds = matcher(boost.where)
        return lambda candidate: leaf("filter matches", holds(candidate.row))
    constants, op = _curve(boost, now_ms)

    def signal(candidate: Candidate) -> Node | None:
        number = candidate.number(boost.attribute)
        if number is None:
            return None
        value = leaf(boost.attribute, number)
        return value if op == "value" else node(op, f"boost by {boost.attribute}", value, *constants)

    return signal


def _curve(boost: SaturationBoost | LinearBoost | DecayBoost | FlagBoost, now_ms: int) -> tuple[list[Node], Op]:
    match boost:
        case FlagBoost():
            return [], "value"
        case SaturationBoost():
            return [leaf("pivot", boost.pivot)], "saturation"
        case LinearBoost():
            return [leaf("lo", boost.lo), leaf("hi", boost.hi)], "linear"
        case DecayBoost():
            constants = [
                leaf("origin", plain_point(boost.origin, now_ms)),
                leaf("scale", plain_distance(boost.scale)),
                leaf("decay", boost.decay),
                leaf("offset", plain_distance(boost.offset)),
            ]
            return constants, _DECAYS[boost.shape]
