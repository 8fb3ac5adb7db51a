"""Search tasks that combine a street photo with words, and the products that answer them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from fourtower_encoders.manifest import Task
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import PATTERNS
from fourtower_encoders.synth.products import SynthProduct
from fourtower_encoders.synth.randomness import stream
from fourtower_encoders.synth.silhouettes import CATEGORIES
from fourtower_encoders.synth.wording import CATEGORY_WORDS, PATTERN_WORDS

Look3 = tuple[str, str, str]
"""Category, pattern and colour."""
Catalog = dict[Look3, list[str]]


def make_tasks(products: Iterable[SynthProduct], *, per_kind: int) -> list[Task]:
    """All tasks of one split, at most `per_kind` of a kind; each has at least one relevant product."""
    products = list(products)
    catalog: Catalog = defaultdict(list)
    for product in products:
        catalog[_look(product)].append(product.product_id)
    tasks: list[Task] = []
    for kind, make in _KINDS.items():
        made = (make(product, catalog, stream(product.seed, product.index, kind)) for product in products)
        tasks += [task for task in made if task][:per_kind]
    return tasks


def _look(product: SynthProduct) -> Look3:
    return product.look.category, product.look.pattern, product.look.colour


def street_name(product: SynthProduct, photo: int) -> str:
    """Where a street photo lies, relative to the data folder."""
    return f"street/{product.product_id}-{photo}.jpg"


def _change(
    kind: str, place: int, attribute: str, words: dict[str, tuple[str, ...]]
) -> Callable[[SynthProduct, Catalog, np.random.Generator], Task | None]:
    """A kind of task that replaces one of category, pattern and colour by what the words name."""

    def make(product: SynthProduct, catalog: Catalog, rng: np.random.Generator) -> Task | None:
        look = _look(product)
        wanted = [(*look[:place], name, *look[place + 1 :]) for name in words if name != look[place]]
        found = [(target[place], catalog[target]) for target in wanted if target in catalog]
        if not found:
            return None
        name, relevant = found[int(rng.integers(len(found)))]
        return Task(
            task=kind,
            query_image=street_name(product, 0),
            text=str(rng.choice(words[name])),
            relevant=tuple(relevant),
            filter={attribute: name},
        )

    return make


def _negation(product: SynthProduct, catalog: Catalog, rng: np.random.Generator) -> Task | None:
    """The same category and colour in any pattern but this one."""
    category, pattern, colour = _look(product)
    relevant = [
        product_id
        for other in PATTERNS
        if other != pattern
        for product_id in catalog.get((category, other, colour), ())
    ]
    if not relevant:
        return None
    return Task(
        task="negation",
        query_image=street_name(product, 0),
        minus=str(rng.choice(PATTERN_WORDS[pattern])),
        relevant=tuple(relevant),
        filter={"pattern": f"!{pattern}"},
    )


_KINDS: dict[str, Callable[[SynthProduct, Catalog, np.random.Generator], Task | None]] = {
    "change_category": _change("change_category", 0, "category", {name: CATEGORY_WORDS[name] for name in CATEGORIES}),
    "change_colour": _change("change_colour", 2, "colour", {pair.name: pair.words for pair in COLOURS.values()}),
    "add_attribute": _change("add_attribute", 1, "pattern", PATTERN_WORDS),
    "negation": _negation,
}
