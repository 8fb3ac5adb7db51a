"""The page about the service is true: its examples run against a live one, and its tables are complete."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.search.service.live import running, settings_of

from fourtower_search.service.app import create_app
from fourtower_search.service.key_file import edit_keys
from fourtower_search.service.keys import new_key
from fourtower_search.service.settings import ServiceSettings
from fourtower_search.wire.errors import STATUS

PAGE = Path(__file__).parents[3] / "docs" / "service.md"
TEXT = PAGE.read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch, photo, served_client):
    """A folder with a picture, a service with keys, and a key for the examples."""
    (tmp_path / "photo.jpg").write_bytes(photo)
    secret, stored = new_key("examples", ["search", "embed"])
    edit_keys(tmp_path / "keys.json", lambda before: [*before, stored])
    monkeypatch.chdir(tmp_path)
    with running(create_app(settings_of(keys=tmp_path / "keys.json"), client=served_client)) as address:
        yield address, secret


def test_every_curl_example_runs(here):
    address, secret = here
    answered = []
    for number, block in enumerate(blocks("bash"), 1):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            env={**os.environ, "SHOP": address, "KEY": secret, "no_proxy": "*"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"docs/service.md, curl example {number}: {done.stderr}"
        answered.append(done.stdout)
    assert len(answered) >= 6
    first, photo, parts, options, several, one = map(answers, answered)
    assert len(first[0]["hits"]) == 5
    assert all(hit["attributes"]["price"] < 60 for hit in photo[0]["hits"])
    assert parts[0]["hits"][0]["explanation"]
    assert options[0]["facets"].keys() == {"brand", "price"}
    assert len(several) == 6
    assert one[0]["product"]["product_id"] == one[2]["products"][0]["product_id"]


def answers(printed):
    """All JSON that was printed, one after the other."""
    found, place = [], 0
    while place < len(printed.rstrip()):
        form, place = json.JSONDecoder().raw_decode(printed, place)
        found.append(form)
        place += len(printed[place:]) - len(printed[place:].lstrip())
    return found


def test_every_python_example_runs(here, lite_file, capsys):
    address, secret = here
    remote, mounted = blocks("python")
    exec(compile(remote.replace("http://127.0.0.1:8000", address).replace('"..."', repr(secret)), "remote", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 10
    shutil.copytree(lite_file, "products.db") if lite_file.is_dir() else shutil.copy(lite_file, "products.db")
    names = {}
    exec(compile(mounted, "mounted", "exec"), names)
    with names["client"], running(names["app"]) as own:
        assert httpx.post(f"{own}/find/search", json={"query": "mug"}, trust_env=False).json()["hits"]


def test_the_table_of_errors_has_every_code():
    table = TEXT.split("| Status | Code |")[1].split("\n\n")[0]
    said = {
        code: {int(status) for status in re.findall(r"\d+", line.split("|")[1])}
        for line in table.splitlines()[2:]
        for code in re.findall(r"`(\w+)`", line.split("|")[2])
    }
    assert said.keys() == STATUS.keys()
    assert all(STATUS[code] in statuses for code, statuses in said.items())


def test_the_table_of_endpoints_has_all_of_them():
    described = create_app(settings_of()).openapi()["paths"]
    known = {
        f"{method.upper()} {path.replace('{product_id}', '{id}')}"
        for path, methods in described.items()
        for method in methods
    }
    table = TEXT.split("| Endpoint |")[1].split("\n\n")[0]
    assert set(re.findall(r"`((?:GET|POST) [^`]+)`", table)) == known | {"GET /openapi.json"}


def test_settings_that_are_named_exist():
    named = set(re.findall(r"FOURTOWER_SERVICE_([A-Z_]+)", TEXT))
    assert named <= {name.upper() for name in ServiceSettings.model_fields}


def test_the_limits_that_are_named_are_those_of_the_service(http):
    limits = http.get("/schema").json()["limits"]
    said = TEXT.split("The limits of one request")[1].split("\n\n")[0]
    numbers = [int(number) for number in re.findall(r"\((\d+)\)", said)]
    assert numbers == [limits[f"max_{name}"] for name in ("images", "batch", "page", "depth", "parts")]
    assert f"({limits['max_body_bytes'] // 1_000_000} MB)" in said
