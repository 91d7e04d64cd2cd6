# SPDX-License-Identifier: GPL-2.0
"""The cluster, and each test on every model of card, in every mode of the director."""

import pytest

from lib.cluster import MODES
from lib.cluster import NATIVE
from lib.cluster import SERVED
from lib.cluster import Cluster
from lib.cluster import cards


def pytest_configure(config):
    """Declare the markers."""
    config.addinivalue_line("markers", "two_arms: only with a card for each side of the director")


def pytest_generate_tests(metafunc):
    """Run everything on one model of card before the next."""
    if "nic" in metafunc.fixturenames:
        two_arms = metafunc.definition.get_closest_marker("two_arms")
        # Outside of a cluster the fixture says what is missing.
        models = [card for card in cards() if not (two_arms and card == "one-arm")] or ["none"]
        metafunc.parametrize("nic", models, indirect=True, scope="session")
    if "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", MODES, scope="session")


def pytest_collection_modifyitems(config, items):
    """Leave out what a driver has not: XDP of its own, and that for frames larger than a buffer."""
    def exists(item):
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        card, value = parameters.get("nic"), parameters.get("value", 0)
        return parameters.get("mode") != "xdp" or card in NATIVE and not (card == "igb" and value > 1500)

    left_out = [item for item in items if not exists(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def cluster():
    """The three machines."""
    return Cluster()


@pytest.fixture(scope="session")
def nic(request, cluster):
    """The cluster with its addresses on the wires of one model of card."""
    cluster.wire(request.param)
    yield cluster
    cluster.unwire()


@pytest.fixture(autouse=True)
def peers_kernel_log(cluster):
    """Fail a test that makes another machine's kernel complain."""
    peers = (cluster.director, cluster.server)
    for peer in peers:
        peer.log.lines()
    yield
    alarms = [f"{peer.role}: {line}" for peer in peers for line in peer.log.alarms()]
    assert not alarms, "a kernel complained:\n" + "\n".join(alarms)


@pytest.fixture
def fullnat(nic, mode):
    """A wired cluster whose director has FullNAT services of every pair of families, TCP and UDP."""
    nic.mode = mode
    nic.serve()
    return nic


@pytest.fixture(params=SERVED)
def cell(request):
    """A pair of families, with the port of its services."""
    return SERVED[request.param]
