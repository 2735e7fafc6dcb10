"""Make the pictures of the README from the demo clip: a frame as emofuse returns it, and the page with its result.

    python scripts/make_pictures.py            # docs/demo.jpg and docs/page.jpg

Needs chromium and chromedriver, and the extra `dev`. The page is that of `emofuse serve`, on this machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import av
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT: Final = Path(__file__).parents[1]
CLIP: Final = ROOT / "src" / "emofuse" / "demo" / "clip.mp4"
SHOWN_S: Final = 3.0  # of the clip, in both pictures
WIDTH: Final = 1084  # of the page, in CSS pixels
PATIENCE_S: Final = 120
QUALITY: Final = 88  # of a JPEG


def main() -> None:
    """Make both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "emofuse", "demo", "-o", str(folder)], check=True)
        with av.open(str(folder / "clip.mp4")) as film:
            frame = next(frame for frame in film.decode(video=0) if (frame.time or 0.0) >= SHOWN_S)
        frame.to_image().save(ROOT / "docs" / "demo.jpg", quality=QUALITY)
        with _service(folder) as address:
            _picture_page(address, ROOT / "docs" / "page.jpg")


@contextmanager
def _service(folder: Path) -> Iterator[str]:
    """Yield the address of a service that runs until this is left."""
    log = folder / "service.log"
    command = [sys.executable, "-m", "emofuse", "serve", "--port", "0", "--folder", str(folder / "service")]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            end_s = time.monotonic() + PATIENCE_S
            while not (found := re.search(r"listens on (\S+?);", log.read_text())):
                assert time.monotonic() < end_s, log.read_text()
                time.sleep(0.2)
            yield found[1]
        finally:
            process.terminate()


def _picture_page(address: str, target: Path) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={WIDTH},1200")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(address)
        driver.find_element(By.ID, "transcript").send_keys(str(CLIP.with_suffix(".srt")))
        driver.find_element(By.ID, "file").send_keys(str(CLIP))
        WebDriverWait(driver, PATIENCE_S).until(lambda page: page.find_element(By.ID, "result").is_displayed())
        film = "document.querySelector('#player video')"
        wait = WebDriverWait(driver, PATIENCE_S)
        wait.until(lambda page: page.execute_script(f"return {film}?.readyState >= 2"))
        driver.execute_script(f"{film}.currentTime = {SHOWN_S}")
        wait.until(lambda page: page.execute_script(f"return !{film}.seeking && {film}.currentTime >= {SHOWN_S}"))
        time.sleep(1)  # until the boxes follow
        height = driver.execute_script("return document.documentElement.scrollHeight")
        driver.set_window_size(WIDTH, height)
        size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        png = target.with_suffix(".png")
        assert driver.save_screenshot(str(png))
        with av.open(str(png)) as picture:
            next(picture.decode(video=0)).to_image().convert("RGB").save(target, quality=QUALITY)
        png.unlink()
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
