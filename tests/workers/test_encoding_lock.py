"""Processes take turns, and nobody who dies or hangs keeps the others from theirs for ever."""

import subprocess
import sys
import threading
import time

import pytest

from fourtower_workers.encoding_lock import EncoderBusy, EncodingLock

HOLDER = """
import sys, time
from pathlib import Path
from fourtower_workers.encoding_lock import EncodingLock
with EncodingLock(Path(sys.argv[1]), timeout_s=10).held():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
COUNTER = """
import sys
from pathlib import Path
from fourtower_workers.encoding_lock import EncodingLock
lock, count = EncodingLock(Path(sys.argv[1]), timeout_s=30), Path(sys.argv[2])
for _ in range(200):
    with lock.held():
        count.write_text(str(int(count.read_text()) + 1))
"""


def run(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def lock(tmp_path):
    lock = EncodingLock(tmp_path / "lock", timeout_s=5)
    yield lock
    lock.close()


def test_one_process_at_a_time(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    processes = [run(COUNTER, tmp_path / "lock", count) for _ in range(3)]
    for process in processes:
        with process:
            assert process.wait(timeout=60) == 0
    assert count.read_text() == "600"


def test_who_dies_lets_go(tmp_path, lock):
    with run(HOLDER, tmp_path / "lock", 60) as holder:
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        with lock.held():
            pass


def test_who_waits_too_long_says_so_and_may_ask_again(tmp_path):
    impatient = EncodingLock(tmp_path / "lock", timeout_s=0.1)
    with run(HOLDER, tmp_path / "lock", 60) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(EncoderBusy, match=r"more than 0\.1 s"), impatient.held():
            raise AssertionError("had the turn while another process held it")
        holder.kill()
        holder.wait()
        with impatient.held():
            pass
    impatient.close()


def test_threads_of_one_process_take_turns_too(lock):
    inside, most = [], []

    def work():
        for _ in range(50):
            with lock.held():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_an_error_inside_lets_go(lock):
    with pytest.raises(ZeroDivisionError), lock.held():
        raise ZeroDivisionError
    with lock.held():
        pass
