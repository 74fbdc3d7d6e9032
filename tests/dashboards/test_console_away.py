"""When a store is away, the console says so and keeps working where it can."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/incidents", "/calls", "/lookup?q=pay-2026-0001", "/receivers"])
def test_pages_say_that_the_store_is_away(world, path):
    browser = world.signed_in()
    world.records.away = world.state.away = True
    answer = browser.get(path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "The store is away" in answer.get_data(as_text=True)
    assert "no node of Elasticsearch answers" in answer.get_data(as_text=True)
    assert "data-retry" in answer.get_data(as_text=True)


def test_the_api_says_so_as_problem_json(world):
    ask = world.api()
    assert ask("/incidents").status_code == 200
    world.records.away = world.state.away = True
    answer = ask("/incidents")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.headers["Retry-After"]


def test_incidents_are_shown_without_the_records(world):
    browser = world.signed_in()
    world.records.away = True

    text = browser.get("/incidents/INC-214").get_data(as_text=True)
    assert "Payments time out" in text
    assert "This part cannot be shown now" in text
    assert browser.get("/incidents").status_code == 200
    assert "cannot be shown now" in browser.get("/partners").get_data(as_text=True)
    assert browser.get("/groups/g-lock").status_code == 200
    assert browser.get("/changes").status_code == 200


def test_a_mistake_of_the_console_is_a_500_without_its_inside(world, monkeypatch):
    browser = world.signed_in()

    def broken(*_args, **_kwargs):
        raise RuntimeError("inner secret")

    monkeypatch.setattr(world.records.inner, "search", broken)
    answer = browser.get("/calls")
    assert answer.status_code == 500
    assert "inner secret" not in answer.get_data(as_text=True)
