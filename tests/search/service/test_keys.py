"""API keys: made, stored, recognised, ended, and followed while their file changes."""

import json
import logging
import multiprocessing
import os
import re
import stat
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.service import keys
from fourtower_search.service.key_file import InvalidKeyFile, edit_keys, read_keys
from fourtower_search.service.keys import KeyRing, new_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def added(path, name="shop", **about):
    """The key of a new entry."""
    key, stored = new_key(name, about.pop("scopes", ["search"]), **about)
    edit_keys(path, lambda before: [*before, stored])
    return key


def changed(path, **fields):
    edit_keys(path, lambda before: [each.model_copy(update=fields) for each in before])


def rewritten(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_key_opens_what_it_was_made_for(path):
    key = added(path, "shop", scopes=["search", "embed"], rate_per_s=5, expires=NOW)
    found = KeyRing(path, now=lambda: NOW - timedelta(seconds=1)).find(key)
    assert (found.name, found.scopes, found.rate_per_s, found.burst) == ("shop", {"search", "embed"}, 5, 5)
    assert re.fullmatch(r"ft_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", key)
    assert found.id == key.split("_")[1]


def test_keys_are_never_alike_and_hold_256_random_bits(path):
    secrets = {new_key("shop", ["search"])[0].split("_", 2)[2] for _ in range(1000)}
    assert len(secrets) == 1000
    assert {len(each) for each in secrets} == {43}


def test_neither_the_file_nor_anything_shown_holds_the_secret(path):
    key = added(path)
    ring = KeyRing(path)
    shown = path.read_text() + repr(ring.find(key)) + repr(ring._entries) + repr(vars(ring))
    assert key.split("_", 2)[2] not in shown


@pytest.mark.parametrize("lasting", [None, NOW + timedelta(seconds=1)])
def test_a_key_ends_when_it_expires_and_not_before(path, lasting):
    key = added(path, expires=lasting)
    assert KeyRing(path, now=lambda: NOW).find(key) is not None
    later = KeyRing(path, now=lambda: NOW + timedelta(seconds=1))
    assert (later.find(key) is None) == (lasting is not None)


def test_a_revoked_key_opens_nothing(path):
    key, other = added(path), added(path)
    edit_keys(path, lambda before: [before[0].model_copy(update={"revoked": NOW}), *before[1:]])
    ring = KeyRing(path)
    assert (ring.find(key), ring.find(other).id) == (None, other.split("_")[1])


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key.upper(),
        lambda key: key.replace("ft_", "gt_"),
        lambda key: key[3:],
        lambda key: " " + key,
        lambda key: key.rsplit("_", 1)[0],
        lambda key: "ft_aaaaaaaa_" + key.split("_", 2)[2],
        lambda key: f"ft_{key.split('_')[1]}_",
        lambda key: f"ft_{key.split('_')[1]}_" + "\0" * 43,
        lambda key: key + "é\ud800",
        lambda key: key * 100,
    ],
)
def test_what_is_no_key_opens_nothing(path, spoilt):
    key = added(path)
    ring = KeyRing(path)
    wrong = spoilt(key)
    assert wrong != key
    assert ring.find(wrong) is None


@given(st.text(max_size=300))
def test_no_text_is_too_strange_to_be_refused(text):
    ring = object.__new__(KeyRing)
    ring._path, ring._clock, ring._looked, ring._entries = None, lambda: 0.0, 0.0, {}
    assert ring.find(text) is None
    assert ring.find(f"ft_{text}") is None


def test_an_id_that_does_not_exist_takes_the_same_comparison(path, monkeypatch):
    """An answer that comes faster would tell which ids there are; what is counted is the work, not the time."""
    key = added(path)
    ring = KeyRing(path)
    work = []

    def counted(one, other):
        work.append((len(one), len(other)))
        return compare_digest(one, other)

    monkeypatch.setattr(keys.hmac, "compare_digest", counted)
    known, unknown = f"ft_{key.split('_')[1]}_{'A' * 43}", f"ft_zzzzzzzz_{'A' * 43}"
    for wrong in (known, unknown, "nothing like a key"):
        assert ring.find(wrong) is None
    assert work == [(32, 32)] * 3


def test_changes_are_seen_within_a_second_and_looked_for_no_oftener(path):
    clock = Clock()
    first = added(path)
    ring = KeyRing(path, clock=clock)
    second = added(path)
    clock.now = 0.9
    assert ring.find(second) is None
    clock.now = 1.0
    assert ring.find(second) is not None
    changed(path, revoked=NOW)
    clock.now = 2.1
    assert (ring.find(first), ring.find(second)) == (None, None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("{"),
        lambda path: path.write_text('{"version": 2, "keys": []}'),
        lambda path: (path.write_text(path.read_text() + " "), path.chmod(0o666)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["gone", "broken", "of a later version", "writable", "a folder"],
)
def test_while_the_file_can_not_be_used_the_last_good_one_holds_and_the_log_says_so_once(path, spoil, caplog):
    clock = Clock()
    key = added(path)
    ring = KeyRing(path, clock=clock)
    spoil(path)
    with caplog.at_level(logging.DEBUG):
        for clock.now in (2.0, 4.0, 6.0):
            assert ring.find(key) is not None
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "stay valid" in caplog.text
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    again = added(path)
    clock.now = 8.0
    assert (ring.find(key), ring.find(again).name) == (None, "shop")


def test_a_new_file_is_for_its_owner_alone_and_stays_so(path):
    old = os.umask(0)
    try:
        added(path)
        added(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_may_write_is_refused(path, mode):
    added(path)
    path.chmod(mode)
    with pytest.raises(InvalidKeyFile, match="chmod 600"):
        KeyRing(path)
    with pytest.raises(InvalidKeyFile, match="chmod 600"):
        added(path)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o600])
def test_a_file_that_others_may_read_will_do_as_it_holds_no_keys(path, mode):
    key = added(path)
    path.chmod(mode)
    assert KeyRing(path).find(key) is not None


def test_a_file_of_another_user_is_refused(path):
    if os.geteuid() != 0:
        return  # only root can give a file away; the check itself is the same for all
    added(path)
    os.chown(path, 12_345, -1)
    with pytest.raises(InvalidKeyFile, match="another user"):
        KeyRing(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content["keys"][0].update(admin=True), r"keys\.0\.admin is not a field"),
        (lambda content: content.update(comment="x"), r"comment is not a field"),
        (lambda content: content["keys"][0].update(scopes=["everything"]), r"keys\.0\.scopes"),
        (lambda content: content["keys"][0].update(scopes=[]), r"keys\.0\.scopes"),
        (lambda content: content["keys"][0].update(rate_per_s="5"), r"keys\.0\.rate_per_s"),
        (lambda content: content["keys"][0].update(rate_per_s=0), r"keys\.0\.rate_per_s"),
        (lambda content: content["keys"][0].update(sha256="ft_k_secret"), r"keys\.0\.sha256"),
        (lambda content: content["keys"][0].update(expires="2030-01-01T00:00:00"), r"keys\.0\.expires"),
        (lambda content: content["keys"][0].update(id="../x"), r"keys\.0\.id"),
        (lambda content: content["keys"].append(content["keys"][0]), "same id"),
        (lambda content: content.update(version=2), "version"),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_a_sentence_that_names_the_place(path, change, says):
    added(path)
    rewritten(path, change)
    with pytest.raises(InvalidKeyFile, match=says) as refused:
        KeyRing(path)
    assert "secret" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_what_is_no_file_is_refused_and_waited_for_by_nobody(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(InvalidKeyFile, match="can't be read"):
            KeyRing(path)


def test_a_link_stays_a_link(path):
    target = path.with_name("real.json")
    path.symlink_to(target)
    key = added(path)
    assert path.is_symlink()
    assert KeyRing(target).find(key) is not None


def _adds(path, number):
    for turn in range(5):
        added(path, f"{number}.{turn}")


def test_several_that_add_keys_at_once_lose_none(path):
    processes = [multiprocessing.get_context("spawn").Process(target=_adds, args=(path, n)) for n in range(3)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(60)
    assert [each.exitcode for each in processes] == [0, 0, 0]
    assert {each.name for each in read_keys(path)} == {f"{n}.{turn}" for n in range(3) for turn in range(5)}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    key = added(path)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _full)
        with pytest.raises(InvalidKeyFile, match="No space left"):
            added(path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == [".keys.json.lock", "keys.json"]
    assert KeyRing(path).find(key) is not None


def _full(_):
    raise OSError(28, "No space left on device")
