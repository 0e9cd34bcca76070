"""Takes the picture of a report for the README: python docs/generators/screenshot.py (needs Chromium and selenium).

The page is made from the run that is shipped under reports/runs, by the code of this checkout.
"""

from __future__ import annotations

import base64
import io
import math
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

from edgesim import report
from edgesim.results.run_folder import Run

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "reports" / "runs" / "quickstart"
PICTURE = ROOT / "docs" / "images" / "report.png"
WIDTH = 1000
"""of the window, in CSS pixels"""
COLOURS = 256
DRAW_FIRST = """
document.querySelector("figure[data-figure]").figure.draw();
setTimeout(arguments[0], 500);
"""
BOTTOM = "return document.querySelector('figure[data-figure] details').getBoundingClientRect().bottom"


def main() -> None:
    """Write the picture."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import open_page

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / RUN.name
        shutil.copytree(RUN, copy)
        file = folder / "report.html"
        report.write(Run(copy), file)
        with open_page(file, folder, width=WIDTH) as driver:
            driver.execute_async_script(DRAW_FIRST)
            bottom = driver.execute_script(BOTTOM)
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": math.ceil(bottom) + 16, "scale": 1}
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        picture.quantize(COLOURS, kmeans=4).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
