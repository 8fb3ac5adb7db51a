"""Works out from NetworkPolicies who may talk to whom, as a cluster's network does."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.helm.rendering import Object


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod with its labels and its namespace's, or an address."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    """Empty: it is no pod."""
    address: str = "192.0.2.1"
    ports: dict[str, int] = field(default_factory=dict)
    """Of a pod, by their names."""


def allowed(policies: list[Object], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection may be made: the source's policies must let it go, and the target's let it come."""
    return _goes(policies, source, target, port, protocol) and _comes(policies, source, target, port, protocol)


def _goes(policies: list[Object], source: End, target: End, port: int, protocol: str) -> bool:
    own = [each for each in policies if _selects(each, source) and "Egress" in each["spec"]["policyTypes"]]
    rules = [rule for each in own for rule in each["spec"].get("egress", [])]
    return not own or any(_fits(rule, "to", target, target, port, protocol, _namespace(own)) for rule in rules)


def _comes(policies: list[Object], source: End, target: End, port: int, protocol: str) -> bool:
    own = [each for each in policies if _selects(each, target) and "Ingress" in each["spec"]["policyTypes"]]
    rules = [rule for each in own for rule in each["spec"].get("ingress", [])]
    return not own or any(_fits(rule, "from", source, target, port, protocol, _namespace(own)) for rule in rules)


def _namespace(policies: list[Object]) -> str:
    return str(policies[0]["metadata"]["namespace"]) if policies else ""


def _selects(policy: Object, end: End) -> bool:
    own = policy["metadata"]["namespace"]
    return end.namespace == own and _matches(policy["spec"]["podSelector"], end.labels)


def _fits(rule: Object, side: str, peer: End, target: End, port: int, protocol: str, namespace: str) -> bool:
    peers, ports = rule.get(side), rule.get("ports")
    return (not peers or any(_is(each, peer, namespace) for each in peers)) and (
        not ports or any(_port(each, target, port, protocol) for each in ports)
    )


def _port(wanted: Object, target: End, port: int, protocol: str) -> bool:
    named = wanted.get("port")
    number = target.ports.get(named) if isinstance(named, str) else named
    return wanted.get("protocol", "TCP") == protocol and number in (None, port) and (named is None or number == port)


def _is(wanted: Object, end: End, namespace: str) -> bool:
    if block := wanted.get("ipBlock"):
        address = ip_address(end.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(each) for each in block.get("except", [])
        )
    if not end.namespace:
        return False
    if "namespaceSelector" in wanted:
        lies = _matches(wanted["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace})
    else:
        lies = end.namespace == namespace
    return lies and _matches(wanted.get("podSelector", {}), end.labels)


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    same = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    return same and all(_expression(each, labels) for each in selector.get("matchExpressions") or [])


def _expression(wanted: Object, labels: dict[str, str]) -> bool:
    value = labels.get(wanted["key"])
    match wanted["operator"]:
        case "In":
            return value in wanted["values"]
        case "NotIn":
            return value not in wanted["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"unknown operator {wanted['operator']!r}")
