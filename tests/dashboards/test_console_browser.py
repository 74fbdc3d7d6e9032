"""The console in a real browser: keys, live refresh, phone width, and nothing that the policy has to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.serving import make_server

from triage.incidents import documents

pytestmark = pytest.mark.browser
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,900")
PATHS = ("/incidents", "/incidents/INC-214", "/traces/00000000000000000000000000000bad", "/lookup?q=pay-2026-0001", "/calls",
         "/partners", "/partners/moneta", "/apis", "/groups/g-lock", "/groups/rules", "/changes", "/receivers",
         "/silences", "/admin/status")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver" if Path("/usr/bin/chromedriver").exists()
                                                                 else None))
    yield chromium
    chromium.quit()


@pytest.fixture
def base(world: Any) -> Iterator[str]:
    """The console on a port of its own."""
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def page(driver: Any, base: str) -> Callable[[str], Any]:
    """Opens a path after signing in by the form."""
    driver.delete_all_cookies()
    driver.get(f"{base}/sign-in")
    driver.delete_all_cookies()
    driver.get(f"{base}/sign-in")
    driver.find_element(By.NAME, "name").send_keys("responder")
    driver.find_element(By.NAME, "password").send_keys("correct horse battery", Keys.ENTER)
    wait(driver, lambda: driver.current_url.endswith("/incidents"))

    def open_path(path: str) -> Any:
        driver.get(base + path)
        return driver

    return open_path


def wait(driver: Any, until: Callable[[], Any]) -> Any:
    """What `until` gives once it is true; an element that a new page has replaced is looked for again."""
    return WebDriverWait(driver, 20, 0.05, [StaleElementReferenceException]).until(lambda _: until())


def press(driver: Any, *keys: str) -> None:
    wait(driver, lambda: driver.execute_script("return document.readyState") == "complete")  # the page listens to keys by then
    for key in keys:
        driver.find_element(By.TAG_NAME, "body").send_keys(key)


def test_no_page_breaks_the_policy_or_the_phone(page, driver, world):
    first, long = documents.get(world.state, "INC-214"), "com.acmebank.core.ledger.repository.LedgerRepository.lockAccountForUpdate"
    documents.write(world.state, replace(
        first, title=f"core-banking: CannotAcquireLockException in {long}", services=[long], groups=["g-lock", long],
        comparison=[replace(first.comparison[0], attribute=long, value=long)], suspects=[replace(first.suspects[0], name=long)],
        apis=[replace(first.apis[0], route=f"/open-banking/v4.0/{long}")],
    ))
    for width in (390, 1400):
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                               {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
        for path in PATHS:
            page(path)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width, (path, width)
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_keys_move_open_and_acknowledge(page, driver, world):
    page("/incidents")
    press(driver, "j", "j", "k")
    assert driver.find_element(By.CSS_SELECTOR, "tr.selected").get_attribute("data-key") == "INC-214"
    press(driver, "a")
    toast = wait(driver, lambda: [t for t in driver.find_elements(By.CSS_SELECTOR, ".toast") if t.text])[0]  # shown, not only there
    assert "INC-214 acknowledged." in toast.text
    assert documents.get(world.state, "INC-214").state == "acknowledged"
    toast.find_element(By.CSS_SELECTOR, "form button").click()
    wait(driver, lambda: documents.get(world.state, "INC-214").state == "open")
    press(driver, "j", Keys.ENTER)
    wait(driver, lambda: driver.current_url.endswith("/incidents/INC-214"))
    press(driver, "g", "c")
    wait(driver, lambda: driver.current_url.endswith("/calls"))
    press(driver, "/")
    assert driver.switch_to.active_element.get_attribute("name") == "q"


def test_typing_is_not_taken_for_keys(page, driver, world):
    page("/incidents/INC-214")
    driver.find_element(By.NAME, "text").send_keys("arise and snooze")
    assert documents.get(world.state, "INC-214").state == "open"


def test_the_list_refreshes_itself_and_keeps_the_selection(page, driver, world):
    page("/incidents")
    press(driver, "j", "j")
    untouched = driver.find_element(By.CSS_SELECTOR, "tr[data-key='INC-213']")
    first = documents.get(world.state, "INC-214")
    documents.write(world.state, replace(first, title="Payments fail faster now"))
    documents.write(world.state, replace(first, id="INC-215", title="Another one", version=0, opened_ns=first.opened_ns + 1))
    driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "tr[data-key='INC-215']"))

    assert "Payments fail faster now" in driver.page_source
    assert untouched.is_displayed()  # the very same element: it was not drawn again
    assert "selected" in untouched.get_attribute("class")


def test_a_lost_connection_is_said(page, driver, world):
    page("/incidents")
    world.state.away = True
    for _ in range(2):
        driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
        wait(driver, lambda: True)
    note = driver.find_element(By.CSS_SELECTOR, "[data-refresh-note]")
    wait(driver, note.is_displayed)
    assert "could not be refreshed" in note.text
    world.state.away = False
    driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    wait(driver, lambda: not note.is_displayed())
    driver.get_log("browser")  # the failed requests are meant


def test_the_desk_answers_and_copies(page, driver):
    page("/lookup")
    driver.find_element(By.ID, "q").send_keys("My reference is PAY-2026-0001 or 93BAC548-d2de-4546-b106-880a5018460d", Keys.ENTER)
    wait(driver, lambda: driver.find_elements(By.ID, "answer"))
    assert "Moneta Pay" in driver.find_element(By.ID, "answer").text
    button = driver.find_element(By.CSS_SELECTOR, "[data-copy='say']")
    button.click()
    wait(driver, lambda: button.text in ("Copied", "Press Ctrl+C"))


def test_the_theme_switch(page, driver):
    page("/partners")
    driver.find_element(By.CSS_SELECTOR, ".menu summary").click()
    driver.find_element(By.CSS_SELECTOR, "button[value='dark']").click()
    wait(driver, lambda: driver.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == "dark")
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 29)"
    assert driver.current_url.endswith("/partners")
