"""Measurements that a person can repeat: each is a make target and writes benchmarks/results."""
