"""A plugin of `fourtower.encoders`: the demo towers, which take their time and do what a title tells them."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from fourtower_encoders.embedder import Embedder


class ObedientTowers(Embedder):
    """A title that holds one of these words has it done while it is being encoded, once per file that is named.

    `sleep=SECONDS`, `kill!` (the process, by SIGKILL), `fail!` (with an error that nobody expects), `wait=FILE` (until
    the file exists; FILE.pid then says who waits).
    """

    def embed_texts(self, texts, **how):
        for text in texts:
            self._obey(text)
        return super().embed_texts(texts, **how)

    def _obey(self, text):
        if found := re.search(r"sleep=([\d.]+)", text):
            time.sleep(float(found[1]))
        if found := re.search(r"wait=(\S+)", text):
            Path(f"{found[1]}.pid").write_text(str(os.getpid()))
            while not Path(found[1]).exists():
                time.sleep(0.01)
        if "kill!" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "fail!" in text:
            raise ArithmeticError("told to fail")


def load(source, **how):
    """Load the towers, in no less than the time that the environment says."""
    time.sleep(float(os.environ.get("OBEDIENT_LOAD_S", "0")))
    return ObedientTowers.load("demo" if source == "obedient" else source, **how)
