# SPDX-License-Identifier: GPL-2.0
"""What the interfaces of the director count."""

import pytest

from lib.fast_path import FastPath


@pytest.fixture
def path(director):
    """The director's fast paths."""
    path = FastPath(director.namespace)
    try:
        yield path
    finally:
        path.close()
