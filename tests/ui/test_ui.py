"""The interface in a real browser: what an engineer and an auditor find there.

Chromium talks to a Dagster that this test starts on a copy of the demo, and to nothing else.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.installation import COMMAND, Installation

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1800,1300",
)  # fmt: skip
PATIENCE = 90  # seconds; Dagster loads the definitions twice
GROUPS = ("landing", "staging", "consented", "marts", "segmentation", "release")

pytestmark = [
    pytest.mark.ui,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"
    ),
]


@contextmanager
def served(installation: Installation, *arguments: str) -> Iterator[str]:
    """Serve the interface on a free port, as a script does in the background; ask it to end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [COMMAND, "ui", "--port", str(port), *arguments], env=installation.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(address):
            assert process.poll() is None, "the interface ended by itself"
            assert time.monotonic() < deadline, "the interface doesn't answer"
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=PATIENCE)
        finally:  # what was started, whatever has become of it
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Start one browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


def shows(browser: webdriver.Chrome, *texts: str) -> None:
    """Wait until the page shows all of the texts."""

    def missing(_: object) -> list[str]:
        body = browser.find_element(By.TAG_NAME, "body").text
        return [text for text in texts if text not in body]

    WebDriverWait(browser, PATIENCE).until(lambda driver: not missing(driver), str(texts))


@pytest.fixture(scope="module")
def copied(demo: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Give a copy of the demo, for the interface writes into its own storage."""
    return demo.copy(Path(tmp_path_factory.mktemp("ui")) / "home")


def test_an_engineer_finds_groups_an_asset_its_lineage_and_a_passed_check(copied, browser):
    with served(copied) as address:
        browser.get(f"{address}/asset-groups")
        shows(browser, *GROUPS)

        browser.get(f"{address}/assets/marts/mart_segmentation")
        shows(browser, "visits_8w", "Visits in the last 8 weeks", "class: behaviour")
        shows(browser, "data-engineering", "assent/label")

        made_from = "columns are made from", "int_segmentation_baskets.event_day"
        shows(browser, *made_from, "int_segmentation_categories.category")

        browser.get(f"{address}/assets/marts/mart_segmentation?view=lineage")
        shows(browser, "consented", "marts", "segmentation", "release", "assignments")

        browser.get(f"{address}/assets/marts/mart_segmentation?view=checks")
        shows(browser, "permission", "Succeeded", "blocking")
        browser.get(f"{address}/assets/marts/mart_segmentation?view=checks&checkDetail=permission")
        shows(browser, "Passed", "permission.segmentation holds", "by a second derivation")
        assert "In Progress" not in browser.find_element(By.TAG_NAME, "body").text


@pytest.mark.slow
def test_an_auditor_can_look_but_start_nothing(copied, browser):
    with served(copied, "--read-only") as address:
        browser.get(f"{address}/assets/marts/mart_segmentation")
        shows(browser, "visits_8w")
        buttons = browser.find_elements(By.XPATH, "//button[contains(., 'Materialize')]")
        assert all(not b.is_enabled() or b.get_attribute("disabled") for b in buttons)
        answer = browser.execute_async_script(
            "const done = arguments[0]; fetch('/graphql', {method: 'POST', headers:"
            " {'Content-Type': 'application/json'}, body: JSON.stringify({query:"
            " '{permissions {permission value}}'})}).then(r => r.json()).then(done)"
        )
        permissions = {p["permission"]: p["value"] for p in answer["data"]["permissions"]}
        assert permissions
        assert not any(
            permissions[name] for name in permissions if name.startswith(("launch_", "delete_"))
        )
