"""The dangerous files are small, and each is taken or refused as it says."""

from __future__ import annotations

from tests.faults.bombs import write_bombs

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.images import load_image


def test_each_file_is_small_and_meets_its_fate(tmp_path):
    promised = write_bombs(tmp_path)
    assert all((tmp_path / name).stat().st_size < 1_500_000 for name in promised)
    found = {}
    for name in promised:
        try:
            load_image(name, root=tmp_path)
            found[name] = True
        except ImageRejected:
            found[name] = False
    assert found == promised
    assert set(promised.values()) == {True, False}
