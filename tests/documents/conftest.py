"""The site is opened in the browser of the tests of pages."""

from tests.browser.conftest import browser, opened

__all__ = ["browser", "opened"]
