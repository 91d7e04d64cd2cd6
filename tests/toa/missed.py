# SPDX-License-Identifier: GPL-2.0
"""Calls that no probe sees, and what is left of many connections."""

import contextlib
from pathlib import Path

import pytest

from lib.namespace import Namespace
from lib.namespace import run
from lib.neighbour import NEIGHBOUR
from lib.neighbour import health
from lib.neighbour import listener
from lib.packets import toa as option
from lib.waiting import wait_until

FTRACE = Path("/proc/sys/kernel/ftrace_enabled")
SLAB = Path("/sys/kernel/slab/toa_client")
CLIENT = ("203.0.113.7", 51234)


@contextlib.contextmanager
def without_ftrace():
    """No probe is called; false if this kernel keeps ftrace on while somebody uses it."""
    try:
        FTRACE.write_text("0", encoding="ascii")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        FTRACE.write_text("1", encoding="ascii")


def accept(listening, neighbour, port, options=b""):
    """A connection: what accept and getpeername say, which must be the same."""
    neighbour.connect(port, 8080, on_ack=options)
    connection, name = listening.accept()
    assert connection.getpeername() == name
    return connection, name


def test_without_ftrace_a_program_gets_the_address_on_the_wire_and_the_operator_sees_it(topology, neighbour):
    server = topology.servers[0]
    with listener(server) as listening:
        before = health(server)["connections_missed"]
        with without_ftrace():
            told = [accept(listening, neighbour, port, option(*CLIENT)) for port in range(55000, 55010)]
        for port, (connection, name) in enumerate(told, 55000):
            assert name in (CLIENT, (NEIGHBOUR, port))
            connection.close()
            neighbour.reset(port, 8080)
        unnamed = sum(name != CLIENT for _, name in told)
        assert health(server)["connections_missed"] == before + unnamed


def test_an_end_that_was_missed_never_gives_its_client_to_another_socket(topology, neighbour):
    server = topology.servers[0]
    with listener(server) as listening:
        for turn in range(5):
            ports = range(55100 + 20 * turn, 55110 + 20 * turn)
            held = [accept(listening, neighbour, port, option(*CLIENT)) for port in ports]
            assert all(name == CLIENT for _, name in held)
            with without_ftrace():
                for port, (connection, _) in zip(ports, held, strict=True):
                    connection.close()
                    neighbour.reset(port, 8080)
            for port in ports:
                connection, name = accept(listening, neighbour, port)
                assert name == (NEIGHBOUR, port), "the memory of a socket that had a client"
                connection.close()
                neighbour.reset(port, 8080)


@pytest.mark.limit(1200)
def test_many_connections_leave_nothing_behind(toa, soak):
    name = "rstoa-many"
    run("ip", "netns", "add", name)
    host = Namespace(name)
    try:
        host.ip("link set lo up")
        host.run("nft", "-f", "-", input=(
            "table inet f { chain o { type filter hook output priority 0; ip saddr 127.0.0.2 tcp flags rst drop; }; }"
        ))
        number = 1_000_000 if soak else 10_000
        host.run("traffic", "accept", "-n", number, "--option", "--named", timeout=1100)

        def nothing_left():
            SLAB.joinpath("shrink").write_text("1", encoding="ascii")
            return health(host)["clients"] == 0 and SLAB.joinpath("objects").read_text("ascii").split()[0] == "0"

        wait_until(nothing_left, "the last client to be forgotten")
        assert health(host)["connections_missed"] == health(host)["clients_stale"] == 0
    finally:
        host.delete()
