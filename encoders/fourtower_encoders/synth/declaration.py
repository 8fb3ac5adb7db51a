"""Declares the attributes of the synthetic products in the form of a shop's `catalog.toml`."""

from __future__ import annotations

CATALOG_TOML = """\
# The attributes that the products of this catalog have, and what searches may use them for.

[attributes.category]
type = "string"
required = true
searchable = true

[attributes.pattern]
type = "string"
searchable = true

[attributes.colour]
type = "string"
searchable = true

[attributes.brand]
type = "string"
searchable = true

[attributes.price]
type = "float"
sortable = true
boostable = true

[attributes.rating]
type = "float"
sortable = true
boostable = true

[attributes.stock]
type = "int"

[attributes.in_stock]
type = "bool"
boostable = true
"""
