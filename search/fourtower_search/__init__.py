"""The way out: the product index, filters, queries and the SDK. It never needs torch."""

__all__: list[str] = []
