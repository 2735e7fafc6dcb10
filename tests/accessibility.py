"""What axe-core finds wrong with a page, at the widths of phones and of a desk."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chromium import set_view

WIDTHS = (320, 390, 1400)


def violations(browser: Any) -> list[str]:
    """Return each rule that the page breaks, with where; skip the test where axe-core is not installed."""
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed: '.[dev]'")
    found = axe.Axe().run(browser)["violations"]
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes'][:5]]}" for rule in found]


def assert_accessible(browser: Any) -> None:
    """No violation and no sideways scrolling at any of the widths, light or dark."""
    for width in WIDTHS:
        for dark in (False, True):
            set_view(browser, width, dark=dark)
            time.sleep(0.1)  # what follows a size is drawn a picture later
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert violations(browser) == [], (width, dark)
    set_view(browser, 1280)
