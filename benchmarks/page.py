"""``python -m benchmarks.page``: what stands between opening the calculator and seeing numbers, in a real browser.

Printed are the first paint, the moment the numbers of the first network are there, and how much was fetched until then;
each from a browser without a cache. Neither the script of charts nor an answer of Python may be among it: numbers are there
before both.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import Any, NamedTuple

from benchmarks.web import server

ROUNDS = 7
_READY = "() => document.querySelector('.card button[data-path=\"parameters.total\"]')?.textContent === '13,002'"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


class Opening(NamedTuple):
    """One opening of the page: milliseconds until something and until numbers are seen, requests and bytes until then."""

    paint: float
    numbers: float
    requests: int
    kilobytes: float
    early: tuple[str, ...]


def opening(browser: Any, address: str) -> Opening:
    """Open the page once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address, wait_until="commit")
    while not page.evaluate(_READY):
        page.wait_for_timeout(5)
    found = page.evaluate(
        """() => {
          const now = performance.now();
          const fetched = performance.getEntriesByType("resource").filter((each) => each.responseEnd > 0 && each.responseEnd <= now);
          const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? now;
          return [paint, now, fetched.length, fetched.reduce((sum, each) => sum + each.encodedBodySize, 0) / 1000, fetched.map((each) => new URL(each.name).pathname)];
        }"""
    )
    context.close()
    late = tuple(name for name in found[4] if name.endswith(("vega.js", "/api/calculator")))
    return Opening(*found[:4], late)


def main() -> None:
    """Print the middle of some openings, the first left out."""
    from playwright.sync_api import sync_playwright

    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        sys.exit("benchmarks.page needs chromium: apt-get install chromium")
    with server() as port, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=_ARGUMENTS)
        openings = [opening(browser, f"http://127.0.0.1:{port}/") for _ in range(ROUNDS + 1)][1:]
        browser.close()
    print("The calculator, opened in a browser without a cache (the middle of", ROUNDS, "openings)")
    print(f"  first contentful paint   {statistics.median(each.paint for each in openings):7.0f} ms")
    print(f"  numbers of a network     {statistics.median(each.numbers for each in openings):7.0f} ms")
    print(f"  fetched until then       {openings[-1].requests:7d} files, {openings[-1].kilobytes:.0f} kB")
    print(
        f"  charts or Python waited for:  {', '.join(sorted({n for each in openings for n in each.early})) or 'nothing'}"
    )


if __name__ == "__main__":
    main()
