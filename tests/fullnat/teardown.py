# SPDX-License-Identifier: GPL-2.0
"""The director or its modules go away while every pair of families has traffic."""

import json

import pytest

from lib import modules
from lib.cells import CELLS
from lib.cells import end
from lib.director import Director
from lib.six import add_ipv6
from lib.topology import Topology
from lib.waiting import wait_until


@pytest.fixture
def doomed():
    """A topology that a test may take apart."""
    made = Topology()
    try:
        made.serve()
        add_ipv6(made)
        yield made
    finally:
        made.delete()
        modules.load_director()


def rules():
    """One service for each pair of families."""
    return [rule for port, cell in enumerate(CELLS.values(), 100) for rule in cell.rules("-t", port, rport=80)]


def start_loads(topology, director):
    """Begin to make connections through every pair of families, and wait until all flow."""
    services = [end(cell.vip, port) for port, cell in enumerate(CELLS.values(), 100)]
    words = ("--until-eof", "-p", 4, "--timeout", 1, "--reset")
    loads = [topology.client.start("traffic", "connect", service, *words) for service in services]
    for service in services:
        wait_until(lambda service=service: director.stats(service, "-t")["service"]["conns"] > 30, f"load of {service}")
    return loads


def assert_all_flowed(loads):
    """Every load must have made connections before its way was gone."""
    for load in loads:
        assert json.loads(load.finish(code=None))["ok"] > 10


def test_a_director_deleted_under_traffic_of_every_family(doomed):
    director = Director(doomed.director)
    director.restore(rules())
    loads = start_loads(doomed, director)
    doomed.forget(doomed.director)
    assert_all_flowed(loads)


def test_modules_unloaded_under_traffic_of_every_family_serve_again(doomed):
    director = Director(doomed.director)
    for _ in range(2):
        director.restore(rules())
        loads = start_loads(doomed, director)
        modules.unload_director()
        assert_all_flowed(loads)
        modules.load_director()
        director.clear()
    director.restore(rules())
    for port, cell in enumerate(CELLS.values(), 100):
        seen = json.loads(doomed.client.run("traffic", "connect", end(cell.vip, port), "-n", 5).stdout)
        assert (seen["ok"], seen["peers"]) == (5, {cell.local: 5})
