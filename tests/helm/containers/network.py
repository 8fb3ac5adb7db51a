"""A network of its own for each pod: every pod has the same ports, and reaches the servers of the test by relays.

A socket belongs to the network in which it was made, whoever uses it afterwards. So a relay listens in one network and
connects in another, and nothing has to be routed between them.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CLONE_NEWNET = 0x40000000
PIECE = 1 << 16

Connect = Callable[[], socket.socket]


class PodNetwork:
    """A network in which there is nothing but a loopback; lives as long as this object is open."""

    def __init__(self) -> None:
        # A process that does nothing but to be in that network.
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "up\n"
        self._here = os.open(f"/proc/{self._keeper.pid}/ns/net", os.O_RDONLY)
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._flows = Flows()

    @property
    def pid(self) -> int:
        """Of a process in that network."""
        return self._keeper.pid

    def connect(self, port: int) -> socket.socket:
        """A connection to what listens in this pod."""
        return self._inside(lambda: socket.create_connection(("127.0.0.1", port), timeout=10))

    def relay(self, port: int, connect: Connect) -> None:
        """Let what the pod sends to a port of its loopback arrive somewhere else."""
        listener = self._inside(lambda: socket.create_server(("127.0.0.1", port)))
        self._listeners.append(listener)
        thread = threading.Thread(target=_accept, args=(listener, connect, self._flows), daemon=True)
        thread.start()
        self._threads.append(thread)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """While this is open, nothing that is relayed gets through; what was open is closed."""
        self._flows.close()
        try:
            yield
        finally:
            self._flows.open()

    def close(self) -> None:
        """Give it up."""
        self._flows.close()
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join(10)
        self._keeper.kill()
        self._keeper.wait()
        if self._keeper.stdout:
            self._keeper.stdout.close()
        os.close(self._here)

    def _inside(self, make: Connect) -> socket.socket:
        with _network(self._here):
            return make()


class Flows:
    """The connections that are relayed, to be closed together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._closed = False

    def add(self, *sockets: socket.socket) -> bool:
        """Take part; False if none may be open now."""
        with self._lock:
            if not self._closed:
                self._sockets.update(sockets)
            return not self._closed

    def remove(self, *sockets: socket.socket) -> None:
        """Have been."""
        with self._lock:
            self._sockets.difference_update(sockets)

    def open(self) -> None:
        """Let connections be again."""
        with self._lock:
            self._closed = False

    def close(self) -> None:
        """Close all, and let there be no others."""
        with self._lock:
            self._closed = True
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)  # its threads then close it


def outside(port: int) -> Connect:
    """Connects to a server of the test."""
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=10)


@contextmanager
def _network(target: int) -> Iterator[None]:
    """Put the calling thread, and no other one, into a network."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    try:
        _enter(target)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(network: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(network, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _accept(listener: socket.socket, connect: Connect, flows: Flows) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        try:
            far = connect()
        except OSError:
            near.close()
            continue
        if not flows.add(near, far):
            near.close()
            far.close()
            continue
        threading.Thread(target=_relay, args=(near, far, flows), daemon=True).start()


def _relay(near: socket.socket, far: socket.socket, flows: Flows) -> None:
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    _pump(near, far)
    back.join()
    flows.remove(near, far)
    near.close()
    far.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(None)
    with suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
