# SPDX-License-Identifier: GPL-2.0
"""One director for all scripts."""

import pytest

from lib.ends import Ends
from lib.script.player import Stage


@pytest.fixture(scope="package")
def stage():
    """Where scripts are played."""
    ends = Ends()
    try:
        yield Stage(ends)
    finally:
        ends.delete()
