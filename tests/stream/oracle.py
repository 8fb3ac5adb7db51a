"""What an index must hold after a log, and which records must be dead letters, worked out from the raw JSON alone."""

import json

FIELDS = {"title": str, "images": list, "attributes": dict}
TYPES = {"category": str, "price": (int, float), "stock": int, "tags": list}


def judge(log):
    """From (place, key, value, headers) to {id: (version, product, None if deleted)} and the places of dead letters."""
    states, waiting, dead = {}, {}, set()
    for place, key, value, headers in log:
        try:
            op, name, version, body = read(key, value, dict(headers))
            held, parked = states.get(name, (-1, None)), waiting.setdefault(name, [])
            if op == "patch":
                if version <= max([held[0], *(earlier for earlier, *_ in parked)]):
                    continue
                if held[1] is None:
                    parked.append((version, body, place))
                else:
                    states[name] = version, fitting(changed(held[1], body))
            elif (version, op == "delete") > (held[0], held[0] >= 0 and held[1] is None):
                states[name] = version, None if op == "delete" else fitting(changed({}, body))
                for later, change, _ in parked if op == "upsert" else ():
                    if later > version:
                        states[name] = later, fitting(changed(states[name][1], change))
                waiting[name] = [each for each in parked if op == "delete" and each[0] > version]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            dead.add(place)
    return states, dead | {place for parked in waiting.values() for *_, place in parked}


def read(key, value, headers):
    if value is None:
        return "delete", key.decode(), int(headers["x-version"]), {}
    event = json.loads(value.decode(), parse_constant=refuse)
    op, name, version, body = event["op"], event["product_id"], event["version"], event.get("product", {})
    refuse(key != name.encode() or type(version) is not int or not 0 <= version < 2**63)
    refuse(event.keys() - {"op", "product_id", "version", "product"} or op not in ("upsert", "patch", "delete"))
    refuse(any(type(content) is not FIELDS[field] for field, content in body.items()))
    refuse(any("ftp:" in image["url"] or ".." in image["url"] for image in body.get("images", ())))
    refuse(any(isinstance(content, dict) for content in body.get("attributes", {}).values()))
    return op, name, version, body


def changed(product, change):
    attributes = {**product.get("attributes", {}), **change.get("attributes", {})}
    return {**product, **change, "attributes": {name: each for name, each in attributes.items() if each is not None}}


def fitting(product):
    refuse(any(not isinstance(each, TYPES.get(name, object)) for name, each in product["attributes"].items()))
    refuse("category" not in product["attributes"] or not (product.get("title") or product.get("images")))
    return product


def refuse(wrong):
    if wrong:
        raise ValueError(wrong)
