"""A synthetic street-to-shop catalog: products, pictures and search tasks, drawn from a seed.

Every pattern and colour appears on every silhouette, so they tell products apart but never say
what a product is: a model must learn both.
"""

from fourtower_encoders.synth.config import StreetStyle, SynthConfig, TitleStyle
from fourtower_encoders.synth.photo import render_catalog
from fourtower_encoders.synth.products import SynthProduct, make_products
from fourtower_encoders.synth.street import render_street
from fourtower_encoders.synth.writer import CatalogSummary, holds_catalog, image_count, write_catalog

__all__ = [
    "CatalogSummary",
    "StreetStyle",
    "SynthConfig",
    "SynthProduct",
    "TitleStyle",
    "holds_catalog",
    "image_count",
    "make_products",
    "render_catalog",
    "render_street",
    "write_catalog",
]
