# SPDX-License-Identifier: GPL-2.0
"""Debian's nginx behind the director over UDP: datagrams and HTTP/3."""

import socket

import pytest

from lib.cells import CELLS
from lib.cells import end
from lib.nginx import with_modules
from lib.options import introduce
from lib.topology import CLIENT

STREAM, QUIC = 84, 85
NOBODY = ["-", "-"]


@pytest.fixture(scope="module", autouse=True)
def nginx(topology):
    """One nginx for all of this file's tests."""
    with with_modules(topology) as nginx:
        yield nginx


@pytest.fixture(params=["44", "64"])
def cell(request, director):
    """IPv4 servers for clients of either family, who are introduced."""
    return served(director, request.param)


def served(director, name):
    """Make the services of a cell."""
    cell = CELLS[name]
    director.restore([rule for port in (STREAM, QUIC) for rule in cell.rules("-u", port)])
    for port in (STREAM, QUIC):
        introduce(director, "-u", port, uoa="opp", vip=cell.vip)
    return cell


def datagram(topology, cell):
    """The words nginx answers a datagram with, and the port it came from."""
    with topology.client.entered():
        sock = socket.socket(socket.AF_INET6 if ":" in cell.client else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(5)
        sock.bind((cell.client, 0))
        sock.connect((cell.vip, STREAM))
        sock.send(b"who am I")
        return sock.recv(1000).decode().split(), str(sock.getsockname()[1])


def curl(topology, cell):
    """The words nginx answers with over HTTP/3, and the port that curl had."""
    words = ("curl", "-sSk", "--http3-only", "--max-time", 10, "-w", " %{http_version} %{local_port}",
             f"https://{end(cell.vip, QUIC)}/")
    *said, version, port = topology.client.run(*words).stdout.split()
    assert version == "3"
    return said, port


@pytest.mark.parametrize("ask", [datagram, curl])
def test_its_variables_name_the_client(topology, cell, uoa, ask):
    (address, port, *named), own = ask(topology, cell)
    assert (address, named) == (cell.local, [cell.client, own]) and port != own


@pytest.mark.parametrize("ask", [datagram, curl])
def test_in_transparent_mode_it_needs_none(topology, director, transparent, nginx, ask):
    cell = served(director, "44")
    said, own = ask(topology, cell)
    assert said == [CLIENT, own, *NOBODY]
    if ask is curl:
        assert nginx.logged()[-1].split() == [CLIENT, own, *NOBODY]


def test_in_transparent_mode_a_client_of_another_family_is_in_the_variables(topology, director, transparent):
    cell = served(director, "64")
    (address, *_, client, port), own = curl(topology, cell)
    assert (address, client, port) == (cell.local, cell.client, own)
