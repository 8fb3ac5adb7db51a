"""How fast and how steadily events become searchable: `python -m benchmarks.ingest`."""
