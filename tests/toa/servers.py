# SPDX-License-Identifier: GPL-2.0
"""Servers that people run, as their distribution ships them: each names the client behind the director."""

import contextlib
import ipaddress
import re
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from lib.cells import CELLS
from lib.cells import end
from lib.six import add_ipv6
from lib.waiting import wait_until

HAPROXY = Path(__file__).resolve().parent.parent / "etc" / "haproxy.cfg"


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 beside IPv4."""
    add_ipv6(topology)


@pytest.fixture(params=["44", "66", "64"])
def cell(request):
    """A pair of families. Most servers listen on a socket for both, which has room for a client of either."""
    return CELLS[request.param]


@pytest.fixture
def folder():
    """A folder for what a server reads and writes."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def serving(topology, director, cell, port, *command, log=None):
    """Run a server on the first real server behind a FullNAT service."""
    server = topology.servers[0]
    director.restore(cell.rules("-t", port))
    if log:
        command = ("sh", "-c", 'exec 2>"$0"; exec "$@"', log, *command)
    program = server.start(*command)
    try:
        server.wait_for_port(port, "tcp6")
        yield program
    finally:
        program.kill()


def curl(topology, cell, port):
    """What a web server answers, and the port that curl had."""
    words = ("curl", "-sS", "--max-time", 5, "-w", "\n%{local_port}", f"http://{end(cell.vip, port)}/")
    *said, own = topology.client.run(*words).stdout.splitlines()
    return said, int(own)


def named(address, port):
    """An address as it is compared, however a program writes it."""
    address = ipaddress.ip_address(address)
    return str(getattr(address, "ipv4_mapped", None) or address), int(port)


def test_haproxy_tells_the_client(topology, director, cell, toa):
    with serving(topology, director, cell, 90, "haproxy", "-db", "-f", HAPROXY):
        [said], own = curl(topology, cell, 90)
    assert named(*said.split()) == (cell.client, own)


def test_a_python_web_server_logs_the_client(topology, director, cell, toa, folder):
    log = folder / "log"
    words = ("python3", "-u", "-m", "http.server", "--bind", "::", "--directory", folder, 91)
    with serving(topology, director, cell, 91, *words, log=log):
        curl(topology, cell, 91)
        line = wait_until(lambda: log.read_text(encoding="ascii"), "a line in the log")
    assert named(line.split()[0], 0) == (cell.client, 0)


def test_sshd_logs_the_client(topology, director, cell, toa, folder):
    """It has a socket for each family: one of IPv4 has no room for an IPv6 client, and says the local address."""
    key, log = folder / "key", folder / "log"
    topology.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    Path("/run/sshd").mkdir(exist_ok=True)
    words = ("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", key, "-p", 92, "-o", "LogLevel=VERBOSE")
    with serving(topology, director, cell, 92, *words, log=log):
        with topology.client.entered(), socket.create_connection((cell.vip, 92), 5) as client:
            assert client.recv(100).startswith(b"SSH-2.0-")
            own = client.getsockname()[1]
        pattern = re.compile(r"Connection from (\S+) port (\d+) on")
        line = wait_until(lambda: pattern.search(log.read_text(encoding="ascii")), "a line in the log")
    address, port = named(*line.groups())
    if cell.name == "64":
        assert address == cell.local and port != own
    else:
        assert (address, port) == (cell.client, own)
