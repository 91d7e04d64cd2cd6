# SPDX-License-Identifier: GPL-2.0
"""The one director that all vectors go through."""

import pytest

from lib.vectors.lab import Lab


@pytest.fixture(scope="session")
def lab():
    """Set up when the first vector asks for it."""
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()
