"""A request arrives as one that ranks alike: the service reads of its form what the client meant."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, reject
from tests.search.test_client_fuzz import MOSTLY_VALID

from fourtower_encoders.joint import Weights
from fourtower_search import (
    Cut,
    DecayBoost,
    F,
    FacetRequest,
    FlagBoost,
    Image,
    LinearBoost,
    MatchBoost,
    PickBy,
    Product,
    SaturationBoost,
    Sort,
    Text,
    Vector,
)
from fourtower_search.errors import InvalidQuery
from fourtower_search.query.fingerprint import fingerprint
from fourtower_search.query.parts import Image as ImagePart
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.sugar import request_of
from fourtower_search.service.asking import one_search, several_searches
from fourtower_search.service.bodies import BatchBody, SearchBody, read_body
from fourtower_search.wire.requests import batch_form, request_form

EVERYTHING = {
    "where": (F.price < 50) & F.tags.contains("oak") | ~F.released.exists() | (F.released > datetime.now(UTC)),
    "mode": "hybrid",
    "fusion": "rrf",
    "limit": 7,
    "depth": 77,
    "collapse": "group",
    "pick": PickBy(attribute="rating", direction="desc"),
    "boosts": [
        SaturationBoost(attribute="rating", pivot=4.0, weight=0.1),
        LinearBoost(attribute="price", lo=200.0, hi=0.0, weight=0.1),
        DecayBoost(attribute="released", scale="7d", offset="12h", origin=datetime.now(UTC), weight=0.1),
        DecayBoost(attribute="price", scale=5.0, origin=10.0, weight=0.1),
        FlagBoost(attribute="in_stock", weight=0.1),
        MatchBoost(where=F.colour == "green", weight=0.1),
    ],
    "cut": Cut(gap=0.5),
    "sort": Sort(attribute="price", direction="desc"),
    "freshness": "verified",
    "explain": True,
    "facets": ["tags", FacetRequest(attribute="price", edges=(20.0, 50.0)),
               FacetRequest(attribute="released", edges=(datetime.now(UTC),))],
    "cursor": "x",
    "rerank": "listwise",
    "weights": Weights(ii=1, it=0.1, ti=1 / 3, tt=-2),
    "image_amount": 0.3,
}  # fmt: skip
PARTS = [Text("red -mug", 0.1), Text("no", -1 / 3), Image(b"one"), Image(b"two", -0.5), Image("https://x.test/a.jpg"),
         Product("a/b\né", 2), Vector(np.arange(1, 65), modality="text")]  # fmt: skip


def arrived(request):
    """What the service makes of a form."""
    fields, uploads = request_form(request)
    return one_search(read_body(SearchBody, json.dumps(fields, allow_nan=False).encode()), uploads)


def alike(one, other):
    """Whether two requests ask for the same."""
    apart = [name for name in SearchRequest.model_fields if name not in ("parts", "weights")]
    assert [type(part) for part in one.parts] == [type(part) for part in other.parts]
    return fingerprint(one) == fingerprint(other) and all(getattr(one, each) == getattr(other, each) for each in apart)


def test_every_option_arrives():
    request = request_of(PARTS, options=EVERYTHING)
    assert set(EVERYTHING) | {"parts", "diversity"} == set(SearchRequest.model_fields)
    assert alike(arrived(request), request)


def test_nothing_is_said_that_was_not_asked():
    assert request_form(request_of("mug", options={})).fields == {"query": [{"text": "mug", "weight": 1.0}]}


@given(MOSTLY_VALID)
def test_any_options_arrive(options):
    own = {name: value for name, value in options.items() if name != "timeout_s"}
    try:
        request = request_of("mug -dots", options=own)
    except InvalidQuery:
        reject()  # some exclude each other
    assert alike(arrived(request), request)


def test_a_picture_is_sent_once_however_often_it_is_named():
    photo, same = b"photo", bytes([*b"photo"])
    requests = [request_of([Image(photo), Image(photo, -0.5)], options={}), request_of(Image(photo), options={})]
    assert batch_form(requests).uploads == [photo]
    assert len(batch_form([*requests, request_of(Image(same), options={})]).uploads) == 2, "nobody compares bytes"


def test_a_batch_arrives_in_order_with_its_pictures():
    requests = [request_of(Image(data), options={}) for data in (b"1", b"2", b"3")] + [request_of(PARTS, options={})]
    fields, uploads = batch_form(requests)
    found = several_searches(read_body(BatchBody, json.dumps(fields).encode()), uploads)
    assert all(alike(one, other) for one, other in zip(found, requests, strict=True))


def test_a_picture_that_is_not_ready_is_not_sent(tmp_path):
    with pytest.raises(TypeError, match="not ready to be sent"):
        request_form(SearchRequest(parts=(ImagePart(tmp_path / "a.jpg"),)))
