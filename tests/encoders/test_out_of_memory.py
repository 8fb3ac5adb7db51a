"""A batch that the device has no room for: a real shortage, not a simulated one."""

import subprocess
import sys

import numpy as np
import pytest

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import OutOfMemory

SHORT_OF_MEMORY = """
import resource, sys
import numpy as np
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import OutOfMemory

embedder = Embedder.load(sys.argv[1], runtime=sys.argv[2], device="cpu")
size = embedder.config.preprocess.size
few, many = (np.zeros((n, size, size, 3), np.uint8) for n in (2, 6000))
wanted = embedder.embed_pixels(few)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
try:
    embedder.embed_pixels(many, batch_size=len(many))
except OutOfMemory as error:
    print(error)
np.testing.assert_allclose(embedder.embed_pixels(few), wanted)
print("goes on")
"""


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_a_batch_that_is_too_big_says_so_and_harms_nothing(checkpoints, runtime):
    folder = str(checkpoints("small"))
    command = [sys.executable, "-c", SHORT_OF_MEMORY, folder, runtime]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "There is no memory left for a batch of 6000; embed fewer at a time.",
        "goes on",
    ], done.stderr[-3000:]


@pytest.mark.gpu
def test_a_gpu_without_room_says_so_and_is_usable_again(checkpoints):
    import torch

    with Embedder.load(checkpoints("small"), runtime="torch", device="cuda") as embedder:
        size = embedder.config.preprocess.size
        few = np.zeros((2, size, size, 3), np.uint8)
        wanted = embedder.embed_pixels(few)
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**26) / total)
        try:
            with pytest.raises(OutOfMemory, match="batch of 20000"):
                embedder.embed_pixels(np.zeros((20_000, size, size, 3), np.uint8), batch_size=20_000)
            np.testing.assert_allclose(embedder.embed_pixels(few), wanted, atol=1e-5)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
