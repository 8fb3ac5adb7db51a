"""From requests to results, on one generation of the index: embed, retrieve, rank, show."""
