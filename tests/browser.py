"""Opens pages in headless Chromium, driven by selenium. Tests skip, with the reason, where there is no browser."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LONGEST_S = 120.0
"""time that a page may take, on a machine that is busy with other things"""
DRAW_ALL = """
const done = arguments[0];
document.querySelectorAll("details").forEach((details) => { details.open = true; });
document.querySelectorAll("figure[data-figure]").forEach((root) => root.figure.draw());
setTimeout(done, 300);
"""


@contextmanager
def open_page(path: Path, folder: Path, width: int = 1400, dark: bool = False) -> Iterator[Any]:
    """A page from disk in the browser of this process; nothing but the disk can be reached.

    A browser takes two seconds to start, so the tests of a process share one. Nothing of a page is left to the next:
    neither what it stored nor its complaints. A browser that cannot be tidied up is ended.

    Args:
        path: the HTML file.
        folder: where downloads go.
        width: of the window, in CSS pixels.
        dark: whether the system asks for dark pages.
    """
    driver = _driver()
    try:
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [scheme]})
        driver.get(path.resolve().as_uri())
        wait_for(lambda: driver.execute_script("return document.documentElement.dataset.ready") == "yes")
        yield driver
    finally:
        _tidy(driver)


@functools.cache
def _driver() -> Any:
    """The browser of this process; it ends with it."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install '.[dev]'")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    if browser is None or chromedriver is None:
        pytest.skip("no chromium and chromedriver on this machine: apt-get install chromium chromium-driver")
    profile = tempfile.TemporaryDirectory(prefix="edgesim-browser-", ignore_cleanup_errors=True)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--proxy-server=127.0.0.1:9", f"--user-data-dir={profile.name}"]  # fmt: skip
    for switch in switches:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    driver.set_script_timeout(LONGEST_S)
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    atexit.register(profile.cleanup)
    atexit.register(driver.quit)  # runs first
    return driver


def _tidy(driver: Any) -> None:
    """Leave the page, and forget what it stored and complained of."""
    from selenium.common.exceptions import WebDriverException

    try:
        driver.execute_script(
            "try { localStorage.clear(); sessionStorage.clear(); } catch (error) { /* it has none */ }"
        )
        driver.get("about:blank")
        driver.get_log("browser")
    except WebDriverException:
        _driver.cache_clear()
        driver.quit()


def busy_s(driver: Any) -> float:
    """Processor time of the page's main thread since it was opened, in seconds: scripts, layout and painting."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


def draw_all(driver: Any) -> None:
    """Open every table and draw every figure, as a reader does by scrolling."""
    driver.execute_async_script(DRAW_ALL)


def wait_for(holds: Callable[[], bool], seconds: float = LONGEST_S) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not.
    """
    import time

    end_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end_s, "the page did not get there in time"
        time.sleep(0.05)
