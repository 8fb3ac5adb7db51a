"""Hypothesis strategies for events of one product: few versions and values, so that they collide often."""

from hypothesis import strategies as st

from fourtower_ingest.events import Delete, Patch, Upsert

ATTRIBUTES = ("price", "stock", "tags")
values = st.sampled_from([1, 2, True, 1.5, "x", ("a", "b")])
texts = st.sampled_from(["", "mug", "red mug"])
images = st.lists(
    st.fixed_dictionaries({"url": st.sampled_from(["a.jpg", "b.jpg"])}, optional={"etag": st.just("1")}), max_size=2
)
versions = st.integers(min_value=0, max_value=6)
attributes = st.dictionaries(st.sampled_from(ATTRIBUTES), values, max_size=3)
removals = st.dictionaries(st.sampled_from(ATTRIBUTES), st.none() | values, max_size=3)


def event(kind, version, product=None):
    fields = {"product_id": "p1", "version": version}
    return kind.model_validate(fields if kind is Delete else fields | {"product": product or {}})


products = st.fixed_dictionaries(
    {}, optional={"title": texts, "description": texts, "images": images, "group_id": texts, "attributes": attributes}
)
changes = st.fixed_dictionaries({"attributes": removals}) | st.fixed_dictionaries(
    {},
    optional={
        "title": st.none() | texts,
        "description": st.none() | texts,
        "images": st.none() | images,
        "group_id": st.none() | texts,
        "attributes": removals,
    },
)
upserts = st.builds(event, st.just(Upsert), versions, products)
deletes = st.builds(event, st.just(Delete), versions)
patches = st.builds(event, st.just(Patch), versions, changes)
events = upserts | deletes | patches
