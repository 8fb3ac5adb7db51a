"""How exact, fast and fresh product search is beside the bare engine: `python -m benchmarks.search`."""
