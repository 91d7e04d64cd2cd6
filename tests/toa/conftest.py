# SPDX-License-Identifier: GPL-2.0
"""toa.ko and nginx for the tests of the real server."""

import pytest

from lib import modules
from lib.neighbour import Neighbour
from lib.nginx import Nginx


@pytest.fixture(scope="module")
def toa():
    """The module, loaded for the rest of a file's tests; loading it makes the kernel patch itself and takes a while."""
    with modules.kept("toa"):
        yield


@pytest.fixture
def web(topology, director):
    """nginx on both real servers behind the director."""
    for server in topology.servers:
        server.stop_programs()
    servers = [Nginx(server) for server in topology.servers]
    director.fullnat("-t", 80)
    yield servers
    for server in servers:
        server.stop()
    topology.serve()


@pytest.fixture
def neighbour(topology, toa):
    """A host beside the first real server that writes its own segments."""
    neighbour = Neighbour(topology)
    yield neighbour
    neighbour.close()
