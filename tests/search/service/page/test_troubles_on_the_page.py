"""What the page does when something is missing or goes wrong: friendly words, and a way on."""

import json
import re

import httpx
import pytest
from playwright.sync_api import expect
from tests.search.service.live import running, settings_of

from fourtower_search.service.app import create_app
from fourtower_search.service.key_file import edit_keys
from fourtower_search.service.keys import new_key

pytestmark = pytest.mark.slow


def problem(code, message, status, **headers):
    """An answer of the service's one shape."""
    body = {"code": code, "message": message, "detail": None, "request_id": "r-1"}
    return {"status": status, "headers": {"Content-Type": "application/json", **headers}, "body": json.dumps(body)}


def stop_the_clock(visitor):
    """The page's time stands still until a test moves it on: what is counted down waits for the test."""
    visitor.page.clock.install()
    visitor.page.clock.pause_at(visitor.page.evaluate("Date.now()") + 1_000)


def test_nothing_found_offers_a_way_back(visitor):
    visitor.go("?q=bag&not=striped&f.price=90000..")
    state = visitor.page.locator(".state")
    assert "Nothing found" in state.inner_text()
    state.get_by_role("button", name="Clear the filters").click()
    visitor.settle()
    assert visitor.cards()


def test_minus_words_alone_ask_for_something_to_look_for(visitor):
    visitor.go("?not=leather")
    assert "And what should it be?" in visitor.page.locator(".state").inner_text()
    assert visitor.page.locator(".part.minus").inner_text().strip().endswith("leather")


def test_a_dead_service_is_told_and_its_return_is_noticed(visit, served_client, drawn_catalog):
    app = create_app(settings_of(image_root=drawn_catalog), client=served_client)
    with running(app) as address:
        visitor = visit(address).go()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
    visitor.page.get_by_label("What are you looking for?").fill("red bag")
    visitor.page.keyboard.press("Enter")
    state = visitor.page.locator(".state")
    expect(state).to_contain_text(re.compile("Can.t reach the service"))
    expect(state).to_contain_text("Trying again in")
    assert visitor.page.get_by_label("What are you looking for?").input_value() == "red bag"


def test_a_service_that_is_back_answers_at_once_when_asked(visitor):
    stop_the_clock(visitor.go())
    failing = {"left": 1}

    def answer(route):
        failing["left"] -= 1
        route.abort("connectionrefused") if failing["left"] >= 0 else route.continue_()

    visitor.page.route("**/search", answer)
    visitor.page.get_by_label("What are you looking for?").fill("red bag")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator(".state")).to_be_visible()
    visitor.page.get_by_role("button", name="Try now").click()
    expect(visitor.page.locator(".state")).to_have_count(0)
    visitor.settle()
    assert "“red bag”" in visitor.heading()


def test_an_overloaded_service_is_asked_again_when_it_says(visitor):
    stop_the_clock(visitor.go())
    answers = [problem("overloaded", "Too much to do.", 503, **{"Retry-After": "2"})]
    visitor.page.route("**/search", lambda route: route.fulfill(**answers.pop()) if answers else route.continue_())
    visitor.page.get_by_label("What are you looking for?").fill("red bag")
    visitor.page.keyboard.press("Enter")
    state = visitor.page.locator(".state")
    expect(state).to_contain_text("Busy just now")
    expect(state.locator(".countdown")).to_have_text("Trying again in 2 s")
    visitor.page.clock.run_for(1_000)
    expect(state.locator(".countdown")).to_have_text("Trying again in 1 s")
    visitor.page.clock.run_for(1_000)
    expect(state).to_have_count(0)
    visitor.settle()
    assert visitor.cards()


def test_what_the_service_refuses_is_told_in_its_own_words(visitor):
    visitor.go()
    refused = problem("invalid_query", "The query has 17 parts; 16 are allowed.", 422)
    visitor.page.route("**/search", lambda route: route.fulfill(**refused))
    visitor.page.get_by_label("What are you looking for?").fill("red bag")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator(".state")).to_contain_text("The query has 17 parts; 16 are allowed.")
    visitor.page.unroute("**/search")
    visitor.page.locator(".state").get_by_role("button", name="Start over").click()
    visitor.settle()
    assert visitor.page.locator("#hero").is_visible()


def test_a_failure_inside_the_service_names_the_request(visitor):
    visitor.go()
    visitor.page.route("**/search", lambda route: route.fulfill(**problem("internal", "Its log says what.", 500)))
    visitor.page.get_by_label("What are you looking for?").fill("red bag")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator(".state")).to_contain_text("Request r-1")
    assert visitor.page.get_by_role("button", name="Try again").is_visible()


def test_a_cursor_that_is_too_old_starts_again_at_the_top(visitor):
    visitor.go().say("bag")
    expired = problem("cursor_expired", "Start again.", 410)

    def answer(route):
        old = "cursor" in (route.request.post_data or "")
        route.fulfill(**expired) if old else route.continue_()

    visitor.page.route("**/search", answer)
    visitor.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(visitor.page.locator(".toast").first).to_contain_text("The catalog was renewed")
    visitor.page.unroute("**/search")
    visitor.settle()
    assert len(visitor.cards()) >= 24


def test_a_service_with_keys_asks_for_one_and_shows_pictures_with_it(visit, served_client, drawn_catalog, tmp_path):
    secret, stored = new_key("web", ["search"])
    edit_keys(tmp_path / "keys.json", lambda before: [*before, stored])
    settings = settings_of(image_root=drawn_catalog, keys=tmp_path / "keys.json")
    with running(create_app(settings, client=served_client)) as address:
        visitor = visit(address)
        visitor.page.goto(f"{address}/?q=red+bag")
        dialog = visitor.page.get_by_role("dialog", name="This search needs a key")
        expect(dialog).to_be_visible()
        dialog.get_by_label("API key").fill("ft_wrong")
        visitor.page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("not, or no longer, valid")
        dialog.get_by_label("API key").fill(secret)
        visitor.page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        visitor.settle()
        picture = visitor.page.locator(".card img.loaded").first
        expect(picture).to_be_visible()
        assert picture.get_attribute("src").startswith(f"blob:{address}")
        assert visitor.page.evaluate("sessionStorage.getItem('fourtower-key')") == secret
        assert secret not in visitor.page.url
        assert visitor.page.evaluate("Object.keys(localStorage).length") == 0


def test_a_key_for_something_else_is_told(visit, served_client, drawn_catalog, tmp_path):
    secret, stored = new_key("other", ["embed"])
    edit_keys(tmp_path / "keys.json", lambda before: [*before, stored])
    settings = settings_of(image_root=drawn_catalog, keys=tmp_path / "keys.json")
    with running(create_app(settings, client=served_client)) as address:
        visitor = visit(address)
        visitor.page.goto(address)
        visitor.page.get_by_label("API key").fill(secret)
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator(".state")).to_contain_text("This key may not search")
        visitor.page.get_by_role("button", name="Use another key").click()
        expect(visitor.page.get_by_role("dialog", name="This search needs a key")).to_be_visible()
