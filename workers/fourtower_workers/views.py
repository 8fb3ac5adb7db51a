"""Rows from halves: one row per view of a product, a missing half imputed from the other one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.errors import ImageError
from fourtower_encoders.joint import QueryParams, product_rows
from fourtower_ingest.wire import ImagePolicy
from fourtower_search.index.rows import Half, Order, ProductWrite, Row, Vector
from fourtower_workers.documents import Document
from fourtower_workers.encoding import Halves
from fourtower_workers.halves import Plan
from fourtower_workers.outcomes import Failure, ImageProblem, image_problem


@dataclass(frozen=True)
class Product:
    """A product whose halves are there."""

    plan: Plan
    document: Document
    text: Vector | None
    images: tuple[Vector | ImageError | None, ...]
    """One per view."""

    @property
    def picture(self) -> Vector | None:
        """Its first usable image half."""
        return next((image for image in self.images if isinstance(image, np.ndarray)), None)

    @property
    def problems(self) -> tuple[ImageProblem, ...]:
        """What is to be reported of its pictures."""
        return tuple(
            image_problem(view, image) for view, image in enumerate(self.images) if isinstance(image, ImageError)
        )

    def failure(self, policy: ImagePolicy) -> Failure | None:
        """Why nothing is made of it."""
        if policy == "reject" and self.problems:
            return self._without_pictures()
        if self.text is not None or self.picture is not None:
            return None
        why = self.problems[0].message if self.problems else "It has no title, no description and no picture."
        return Failure(
            "nothing_to_embed",
            f"Product {self.plan.event.product_id} has nothing to be found by: {why}",
            retryable=any(problem.retryable for problem in self.problems),
            stage="fetch" if self.problems else "plan",
        )

    def _without_pictures(self) -> Failure:
        """A picture that never can be used decides, whatever becomes of the others."""
        worst = min(self.problems, key=lambda problem: problem.retryable)
        code = "image_unavailable" if worst.retryable else "image_rejected"
        message = f"Product {self.plan.event.product_id}: {worst.message}"
        return Failure(code, message, retryable=worst.retryable, stage="fetch")


def gather(plan: Plan, document: Document, halves: Halves) -> Product:
    """Bring a product's halves together."""
    images = tuple(halves.image(plan, view) for view in range(len(plan.views)))
    return Product(plan, document, halves.text(plan), images)


def product_writes(
    products: Sequence[Product], params: QueryParams, *, dim: int, source: str, mended: Collection[str]
) -> list[ProductWrite]:
    """The writes of some products, none of which is a failure.

    Args:
        products: that are written.
        params: of the model.
        dim: length of a half.
        source: where the events come from.
        mended: products whose rows are to replace those of an equal version.
    """
    if not products:
        return []
    vectors = iter(_vectors(products, params, dim))
    return [
        _write(product, vectors, source=source, repair=product.plan.event.product_id in mended) for product in products
    ]


def _vectors(products: Sequence[Product], params: QueryParams, dim: int) -> NDArray[np.float32]:
    """The joint vectors of all their views, [N, 2 D]."""
    nothing = np.zeros(dim, dtype=np.float32)
    images = [_image(product, view) for product in products for view in range(len(product.images))]
    texts = [product.text for product in products for _ in product.images]
    return product_rows(
        np.stack([nothing if image is None else image for image in images]),
        np.stack([nothing if text is None else text for text in texts]),
        params,
        has_image=np.array([image is not None for image in images]),
        has_text=np.array([text is not None for text in texts]),
    )


def _image(product: Product, view: int) -> Vector | None:
    """A view's image half; where the product has no text to impute it from, that of its first usable picture."""
    image = product.images[view]
    if isinstance(image, np.ndarray):
        return image
    return product.picture if product.text is None else None


def _write(product: Product, vectors: Iterator[Vector], *, source: str, repair: bool) -> ProductWrite:
    event = product.plan.event
    rows = tuple(_row(product, view, next(vectors), source) for view in range(len(product.images)))
    return ProductWrite(event.product_id, Order(*event.order), rows, repair=repair)


def _row(product: Product, view: int, vector: Vector, source: str) -> Row:
    plan, document, image = product.plan, product.document, product.images[view]
    has_image, has_text = isinstance(image, np.ndarray), product.text is not None
    imputed: Half = "" if has_image and has_text else "text" if has_image else "image"
    return Row(
        product_id=plan.event.product_id,
        order=Order(*plan.event.order),
        view=view,
        row_count=len(product.images),
        image_hash=plan.views[view].hash if has_image else "",
        text_hash=plan.text_hash if has_text else "",
        imputed=imputed,
        image_missing=isinstance(image, ImageError),
        vector=vector,
        attributes=document.attributes,
        group_id=document.group_id,
        source=source,
        title=document.title,
        payload=document.payload,
    )
