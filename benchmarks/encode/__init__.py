"""How near bulk embedding and training come to the networks' own speed: `python -m benchmarks.encode`."""
