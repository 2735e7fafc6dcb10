"""A real browser for tests: Chromium without a window, driven by Selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def open_chromium(width: int = 1280, *, dark: bool = False, arguments: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield a driver of Chromium, `width` CSS pixels wide, and end the browser afterwards.

    Skips the test where Selenium, `chromium` or `chromedriver` is not installed.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install '.[dev]'")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"):
        options.add_argument(argument)
    options.add_argument("--autoplay-policy=no-user-gesture-required")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    try:
        set_view(driver, width, dark=dark)
        yield driver
    finally:
        driver.quit()


def set_view(driver: Any, width: int, *, dark: bool = False, height: int = 900) -> None:
    """Give the page this size in CSS pixels, and the colours that a person has chosen in their system."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
