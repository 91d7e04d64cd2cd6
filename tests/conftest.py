# SPDX-License-Identifier: GPL-2.0
"""What every test has: a time limit, a watched kernel log, and the topology of its module."""

import signal

import pytest

from lib.director import Director
from lib.kernel_log import KernelLog
from lib.topology import serving
from lib.wire import SERVER
from lib.wire import Wire

TIME_LIMIT = 60


class OutOfTime(BaseException):
    """A test took longer than it may; no `except Exception` of a test can swallow it."""


def pytest_addoption(parser):
    """Declare the options."""
    parser.addoption("--soak", action="store_true", help="run in the numbers of production what can be")


def pytest_configure(config):
    """Declare the markers."""
    config.addinivalue_line("markers", "limit(seconds): how long the test may take, with its fixtures")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Give every test its time and not more."""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else TIME_LIMIT

    def ring(_signal, _frame):
        raise OutOfTime(f"{item.name} took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def soak(request):
    """Whether there is time for the numbers of production."""
    return request.config.getoption("--soak")


@pytest.fixture(autouse=True)
def kernel_log():
    """Fail a test that makes the kernel complain."""
    log = KernelLog()
    yield log
    alarms = log.alarms()
    log.close()
    assert not alarms, "the kernel complained:\n" + "\n".join(alarms)


@pytest.fixture(scope="module")
def topology():
    """A topology for the tests of one file, with the answering server on both real servers."""
    with serving() as made:
        yield made


@pytest.fixture
def director(topology):
    """The topology's director, without any service."""
    director = Director(topology.director)
    director.clear()
    return director


@pytest.fixture
def fullnat(director):
    """The director with a FullNAT service on port 80, TCP and UDP, over both real servers."""
    director.restore(director.rules("-t", 80) + director.rules("-u", 80))
    return director


@pytest.fixture
def wire(topology, director):
    """The test as client and real server, with a FullNAT service on port 81, TCP and UDP."""
    wire = Wire(topology)
    director.restore(director.rules("-t", 81, [SERVER]) + director.rules("-u", 81, [SERVER]))
    wire.flush()
    yield wire
    wire.close()
