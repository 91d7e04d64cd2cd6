# SPDX-License-Identifier: GPL-2.0
"""Every call that tells a program its peer, on sockets of both families."""

import ctypes
import errno
import socket
import struct

import pytest

from lib import ring
from lib.neighbour import NEIGHBOUR
from lib.neighbour import listener
from lib.packets import toa as option

LOOKUP = 4096
V4 = option("203.0.113.7", 51234)
V6 = bytes((254, 20)) + b"\xc8\x22" + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
LIBC = ctypes.CDLL(None, use_errno=True)

# Socket, option, what it is told; None: the address on the wire, because there is no room for the client's.
SOCKETS = {
    "ipv4": (socket.AF_INET, V4, "203.0.113.7"),
    "dual stack": (socket.AF_INET6, V4, "::ffff:203.0.113.7"),
    "ipv6": (socket.AF_INET6, V6, "2001:db8::7"),
    "nat64": (socket.AF_INET, V6, None),
}


def parse(family, name):
    """Address and port of a struct sockaddr."""
    assert struct.unpack_from("=H", name)[0] == family
    port, = struct.unpack_from("!H", name, 2)
    place = slice(4, 8) if family == socket.AF_INET else slice(8, 24)
    return socket.inet_ntop(family, name[place]), port


def libc_accept(listening):
    name, length = ctypes.create_string_buffer(28), ctypes.c_uint32(28)
    fd = LIBC.accept(listening.fileno(), name, ctypes.byref(length))
    assert fd >= 0, ctypes.get_errno()
    return fd, name.raw[:length.value]


def accept4(listening):
    name, length = ctypes.create_string_buffer(28), ctypes.c_uint32(28)
    fd = LIBC.accept4(listening.fileno(), name, ctypes.byref(length), socket.SOCK_NONBLOCK)
    assert fd >= 0, ctypes.get_errno()
    return fd, name.raw[:length.value]


@pytest.mark.parametrize("call", [libc_accept, accept4, ring.accept], ids=["accept", "accept4", "io_uring"])
@pytest.mark.parametrize("kind", SOCKETS)
def test_accept_getpeername_and_getsockopt_tell_the_client(topology, neighbour, kind, call):
    family, options, told = SOCKETS[kind]
    port = 54000 + len(kind) * 10 + len(call.__name__)
    wanted = (told, 51234) if told else (NEIGHBOUR, port)
    with listener(topology.servers[0], family=family) as listening:
        listening.setblocking(True)
        neighbour.connect(port, 8080, on_ack=options)
        fd, name = call(listening)
        assert parse(family, name) == wanted
        with socket.socket(fileno=fd) as connection:
            assert connection.getpeername()[:2] == wanted
            answer = connection.getsockopt(socket.IPPROTO_IP, LOOKUP, 20)
            client = "2001:db8::7" if options == V6 else "::ffff:203.0.113.7"
            assert answer == socket.inet_pton(socket.AF_INET6, client) + b"\xc8\x22\0\0"
            assert connection.getsockname()[1] == 8080
        neighbour.reset(port, 8080)


def test_getsockopt_refuses_what_it_cannot_answer(topology, neighbour):
    with listener(topology.servers[0]) as listening:
        neighbour.connect(54900, 8080, on_ack=V4)
        connection, _ = listening.accept()
        with connection, pytest.raises(OSError) as short:
            connection.getsockopt(socket.IPPROTO_IP, LOOKUP, 19)
        assert short.value.errno == errno.EINVAL
        neighbour.reset(54900, 8080)
        neighbour.connect(54901, 8080)
        connection, _ = listening.accept()
        with connection, pytest.raises(OSError) as unknown:
            connection.getsockopt(socket.IPPROTO_IP, LOOKUP, 20)
        assert unknown.value.errno == errno.EFAULT
        neighbour.reset(54901, 8080)


def test_a_socket_that_connects_anew_has_no_client(topology, neighbour):
    server = topology.servers[0]
    with listener(server) as listening, listener(server, 8081) as other:
        neighbour.connect(54902, 8080, on_ack=V4)
        connection, name = listening.accept()
        with connection:
            assert name == ("203.0.113.7", 51234)
            # struct sockaddr of AF_UNSPEC: the connection is dissolved.
            assert LIBC.connect(connection.fileno(), bytes(16), 16) == 0
            with pytest.raises(OSError, match="not connected"):
                connection.getpeername()
            connection.connect(("127.0.0.1", other.getsockname()[1]))
            assert connection.getpeername() == ("127.0.0.1", 8081)
            with pytest.raises(OSError, match="Bad address"):
                connection.getsockopt(socket.IPPROTO_IP, LOOKUP, 20)
        neighbour.reset(54902, 8080)
