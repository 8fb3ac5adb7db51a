"""The command `fourtower keys`, as a person types it."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from fourtower_search.errors import InvalidQuery
from fourtower_search.keys_cli import app, read_expiry
from fourtower_search.service.key_file import InvalidKeyFile, read_keys
from fourtower_search.service.keys import KeyRing

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def run(path, monkeypatch):
    """Calls the command on the test's file; errors are raised as the command line gets them."""
    monkeypatch.setenv("FOURTOWER_SERVICE_KEYS", str(path))
    monkeypatch.setenv("COLUMNS", "200")

    def called(*words):
        done = CliRunner().invoke(app, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return called


def test_a_key_is_printed_once_and_works(run, path):
    done = run("create", "shop", "--scope", "search", "--scope", "embed", "--rate", "5", "--burst", "9")
    key = done.stdout.strip()
    assert re.fullmatch(r"ft_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", key), "alone, for a script to take"
    found = KeyRing(path).find(key)
    assert (found.name, found.scopes, found.rate_per_s, found.burst, found.expires) == (
        "shop",
        {"search", "embed"},
        5,
        9,
        None,
    )
    assert key not in done.stderr
    assert found.id in done.stderr
    assert key.split("_", 2)[2] not in run("list").output + run("list", "--json").output


def test_a_key_is_for_searching_unless_said_otherwise(run, path):
    run("create", "shop")
    assert read_keys(path)[0].scopes == {"search"}


def test_the_list_shows_what_each_key_is_for_and_whether_it_opens_anything(run, path):
    for words in (["web", "--rate", "2.5"], ["old", "--expires", "1h"], ["gone", "--scope", "admin"]):
        run("create", *words)
    gone = read_keys(path)[2].id
    run("revoke", gone)
    table = run("list").stdout
    for name, says in (("web", ["search", "2.5", "never", "valid"]), ("gone", ["admin", "any", "revoked"])):
        line = next(line for line in table.splitlines() if name in line)
        assert all(each in line for each in says)
    listed = json.loads(run("list", "--json").stdout)
    assert [(each["name"], each["state"]) for each in listed] == [
        ("web", "valid"),
        ("old", "valid"),
        ("gone", "revoked"),
    ]
    assert all("sha256" not in each for each in listed)


def test_a_name_can_not_colour_the_terminal(run):
    run("create", "[red]shop[/red]")
    assert "[red]shop[/red]" in run("list").stdout


def test_a_revoked_key_stays_in_the_list_and_keeps_its_first_end(run, path):
    key = run("create", "shop").stdout.strip()
    run("revoke", key.split("_")[1])
    first = read_keys(path)[0].revoked
    run("revoke", key.split("_")[1])
    assert read_keys(path)[0].revoked == first
    assert KeyRing(path).find(key) is None


def test_to_revoke_what_is_not_there_is_an_error(run):
    run("create", "shop")
    with pytest.raises(InvalidQuery, match="keys list"):
        run("revoke", "zzzzzzzz")


def test_a_file_without_keys_says_how_to_make_one(run, path):
    path.write_text('{"version": 1, "keys": []}')
    assert "keys create" in run("list").stderr


def test_a_file_that_is_not_there_is_no_empty_list(run):
    for words in (["list"], ["revoke", "abcd"]):
        with pytest.raises(InvalidKeyFile, match="can't be read"):
            run(*words)


@pytest.mark.parametrize(
    "words",
    [
        ["--rate", "0"],
        ["--rate", "-1"],
        ["--burst", "0.5"],
        ["--scope", "everything"],
        ["--rate", "many"],
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(run, path, words):
    assert run("create", "shop", *words).exit_code == 2
    assert not path.exists()


@pytest.mark.parametrize("name", ["", "x" * 201, "\x1b[31m", "two\nlines"])
def test_a_key_has_a_name_that_can_be_shown(run, path, name):
    with pytest.raises(InvalidQuery, match="1 to 200 characters"):
        run("create", name)
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("12h", NOW + timedelta(hours=12)),
        ("90d", NOW + timedelta(days=90)),
        (" 8w ", NOW + timedelta(weeks=8)),
        ("2030-02-01", datetime(2030, 2, 1, tzinfo=UTC)),
        ("2030-01-31T13:00+00:30", NOW + timedelta(minutes=30)),
    ],
)
def test_an_end_is_a_date_or_a_time_from_now(text, end):
    assert read_expiry(text, NOW) == end


@pytest.mark.parametrize("text", ["", "soon", "0d", "-1d", "1y", "90", "2030-02-30", "99999999d", "99999w99999w"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(InvalidQuery, match="neither a date"):
        read_expiry(text, NOW)


def test_an_end_in_the_past_is_refused():
    with pytest.raises(InvalidQuery, match="past"):
        read_expiry("2030-01-31", NOW)


@pytest.mark.parametrize("text", ["99999w", "9999-12-31"])
def test_the_most_distant_ends_can_be_stored(run, path, text):
    run("create", "shop", "--expires", text)
    assert read_keys(path)[0].expires.year > 2100
