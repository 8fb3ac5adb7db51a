"""The page's files: nothing but them may run, browsers may keep them, and nothing comes from elsewhere."""

import gzip
import re

import pytest
from fastapi import FastAPI
from tests.search.service.live import error_of, running, settings_of, stranger

from fourtower_search.service.app import create_app
from fourtower_search.service.page import FOLDER, content_policy, page_files, page_router
from fourtower_search.service.router import router

MODULES = sorted(FOLDER.glob("*.js"))


@pytest.fixture(scope="module")
def guest(served_client, drawn_catalog):
    app = create_app(settings_of(image_root=drawn_catalog), client=served_client)
    with running(app) as address, stranger(address) as http:
        yield http


def policy_of(response):
    rules = response.headers["content-security-policy"].split("; ")
    return dict(rule.split(" ", 1) for rule in rules)


def test_the_page_runs_nothing_but_its_own_files(guest):
    policy = policy_of(guest.get("/"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' blob: data:"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in guest.get("/").headers["content-security-policy"]


def test_other_pictures_are_allowed_only_where_the_service_can_show_none():
    assert "https:" not in content_policy(foreign_pictures=False)
    assert "img-src 'self' blob: data: https:;" in content_policy(foreign_pictures=True)


@pytest.mark.parametrize(
    ("known", "pictures"),
    [({}, "direct"), ({"image_root": "/"}, "files"), ({"image_hosts": ["a.example"]}, "hosts")],
)
def test_the_page_is_told_where_pictures_come_from(served_client, known, pictures):
    with running(create_app(settings_of(**known), client=served_client)) as address, stranger(address) as http:
        page = http.get("/")
        assert f'name="fourtower-pictures" content="{pictures}"' in page.text
        assert ("https:" in policy_of(page)["img-src"]) == (pictures == "direct")


def test_all_that_the_page_names_is_there_and_kept_for_good(guest):
    page = guest.get("/").text
    named = re.findall(r'(?:src|href)="(static/[^"]+)"', page)
    assert len(named) >= 9
    for path in named:
        response = guest.get(f"/{path}")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert guest.get("/").headers["cache-control"] == "no-cache"


def test_what_a_browser_has_is_not_sent_again(guest):
    for path in ("/", f"/static/{page_files().version}/main.js"):
        first = guest.get(path)
        again = guest.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == first.headers["etag"]
        other = guest.get(path, headers={"If-None-Match": 'W/"of something else"'})
        assert other.status_code == 200


def test_files_travel_compressed_to_those_who_can_read_that(guest):
    path = f"/static/{page_files().version}/main.js"
    plain = guest.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = guest.get(path, headers={"Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert small.content == plain.content == (FOLDER / "main.js").read_bytes()
    assert len(gzip.compress(plain.content)) < len(plain.content) / 2


def test_a_file_of_another_version_is_sent_but_not_to_keep(guest):
    response = guest.get("/static/0000/main.js")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/static/x/nothing.js", "/static/x/index.html", "/static/x/..%2Fpage.py", "/static/x/page.py"]
)
def test_nothing_else_is_served(guest, path):
    error_of(guest.get(path), 404, "not_found")


def test_the_page_works_beside_the_router_of_a_host(served_client):
    app = FastAPI()
    app.include_router(router(served_client, settings_of()), prefix="/find")
    app.include_router(page_router(settings_of()), prefix="/find")
    with running(app) as address, stranger(address) as http:
        page = http.get("/find/")
        path = re.search(r'src="(static/[^"]+main\.js)"', page.text)[1]
        assert http.get(f"/find/{path}").status_code == 200


def test_a_service_without_a_page_has_none(served_client):
    with running(create_app(settings_of(page=False), client=served_client)) as address, stranger(address) as http:
        error_of(http.get("/"), 404, "not_found")


def test_nothing_of_the_page_comes_from_elsewhere():
    for path in FOLDER.iterdir():
        found = re.findall(r"""(?:https?:|["'])//[a-z0-9.-]+\.[a-z]{2,}[^\s"']*""", path.read_text())
        assert set(found) <= {"http://www.w3.org/2000/svg"}, path.name


def test_modules_make_no_markup_of_text_and_stay_small():
    assert len(MODULES) > 20
    for path in MODULES:
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path.name
        )
        assert text.startswith("/**"), path.name
        assert len(text.splitlines()) <= 250, path.name


def test_every_module_names_only_what_others_export():
    exported = {
        path.name: set(re.findall(r"export (?:async )?(?:function|class|const) (\w+)", path.read_text()))
        for path in MODULES
    }
    for path in MODULES:
        for names, module in re.findall(r'import \{([^}]+)\} from "\./([^"]+)"', path.read_text()):
            assert {name.strip() for name in names.split(",") if name.strip()} <= exported[module], path.name
