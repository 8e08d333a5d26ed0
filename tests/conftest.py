"""Fixtures that several test modules share."""

import os

import pytest


@pytest.fixture(scope="module")
def browser():
    from chromium import chromium  # noqa: PLC0415 - Playwright only where a browser is asked for

    with chromium() as found:
        if found is None:
            reason = "no Chromium: the README says how to get it"
            if os.environ.get("LINGROK_BROWSER") == "required":
                pytest.fail(reason)
            pytest.skip(reason)
        yield found
