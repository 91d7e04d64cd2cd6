# SPDX-License-Identifier: GPL-2.0
"""What the interfaces of the director count."""

import pytest

from lib import xdp
from lib.fast_path import FastPath


@pytest.fixture
def path(director):
    """The director's fast paths."""
    path = FastPath(director.namespace)
    try:
        yield path
    finally:
        path.close()


@pytest.fixture(params=["ingress", "xdp"])
def way(request, topology, director, path):
    """A test of packets behind the driver, and once more of frames in it."""
    if request.param == "xdp":
        xdp.prepare(topology)
        for interface in ("wan", "lan1", "lan2"):
            xdp.attach(topology.director, interface)
        path.in_xdp = True
    yield request.param
    if request.param == "xdp":
        xdp.clear(topology)
