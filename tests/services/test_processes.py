"""Servers of tests that run side by side get ports of their own."""

from __future__ import annotations

import subprocess
import sys

from tests.services import processes
from tests.services.processes import free_port

FEW = (20_000, 20_060)
CHOOSE_AND_WAIT = f"""
from tests.services import processes
processes.PORTS = {FEW}
print(*[processes.free_port() for _ in range(20)], flush=True)
input()
"""


def test_no_two_tests_are_given_the_same_port(monkeypatch):
    monkeypatch.setattr(processes, "PORTS", FEW)
    command = [sys.executable, "-c", CHOOSE_AND_WAIT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        theirs = set(map(int, other.stdout.readline().split()))
        ours = [free_port() for _ in range(20)]
        other.communicate("\n")
    assert len(theirs) == len(set(ours)) == 20
    assert not theirs & set(ours)
