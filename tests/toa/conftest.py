# SPDX-License-Identifier: GPL-2.0
"""toa.ko for the tests of the real server."""

import pytest

from lib import modules


@pytest.fixture
def toa():
    """The module, loaded; and gone after the test, whatever the test did with it."""
    if not modules.loaded("toa"):
        modules.insert("toa")
    yield
    if modules.loaded("toa"):
        modules.remove("toa")


@pytest.fixture
def no_toa():
    """The module is not there."""
    assert not modules.loaded("toa")
