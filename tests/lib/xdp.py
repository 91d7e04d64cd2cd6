# SPDX-License-Identifier: GPL-2.0
"""XDP on the director's interfaces, and what it forwards."""

import contextlib
import ctypes
import os
import struct
import subprocess
from pathlib import Path

from . import bpf
from .namespace import run
from .packets import IPv4
from .waiting import wait_until

PROGRAM = "ip_vs_flow_fast"
PINS = "/sys/fs/bpf/rsipvs"

_ETHERNET = 14


def attach(namespace, interface):
    """Have XDP forward what comes in by an interface."""
    namespace.run("rsipvsadm", "fastpath", "set", interface, "xdp")


def detach(namespace, interface):
    """Take it off again."""
    namespace.run("rsipvsadm", "fastpath", "set", interface, "auto")


def clear(topology):
    """Take it off every interface, also of those that are gone."""
    topology.director.run("rsipvsadm", "fastpath", "set", "all", "auto")
    wait_until(lambda: not programs(), "programs to be gone")


def prepare(topology):
    """Make veth do what NICs do: whoever receives redirected frames polls, and checksums come complete."""
    for namespace, interface in topology.ends():
        namespace.run("ethtool", "-K", interface, "gro", "on", "tx", "off", "tso", "off", "gso", "off")


def programs():
    """The numbers of all programs of ours that are loaded."""
    listed = run("bpftool", "prog", "show").stdout.splitlines()
    return [int(line.partition(":")[0]) for line in listed if f"name {PROGRAM} " in line]


class Capture:
    """rsipvsadm capture, running beside the test; its file is read when it is asked for."""

    def __init__(self, namespace, interface, *words):
        with namespace.entered():
            self.process = subprocess.Popen(
                ["rsipvsadm", "capture", interface, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        assert b"capturing" in self.process.stderr.readline(), self.process.stderr.read()
        head = struct.unpack("=IHHiIII", self.process.stdout.read(24))
        assert head[0] == 0xA1B23C4D and head[-1] == 1, head

    def frame(self):
        """The next frame: its bytes."""
        head = self.process.stdout.read(16)
        assert len(head) == 16, f"no frame, but: {self.process.stderr.read()}"
        _, _, here, length = struct.unpack("=IIII", head)
        assert here == length
        return self.process.stdout.read(here)

    def packet(self):
        """The next packet as it came, and as it left."""
        came, left = self.frame(), self.frame()
        return IPv4.parse(came[_ETHERNET:]), IPv4.parse(left[_ETHERNET:])

    def end(self):
        """Stop it; what it said last."""
        self.process.terminate()
        return self.process.communicate()[1].decode()


@contextlib.contextmanager
def capture(namespace, interface, *words):
    """A capture that ends with the block."""
    running = Capture(namespace, interface, *words)
    try:
        yield running
    finally:
        running.end()


_PROG_LOAD, _OBJ_PIN, _XDP = 5, 6, 6


@contextlib.contextmanager
def foreign(namespace, interface):
    """Somebody else's program on an interface, called "other", which passes everything: its number."""
    # r0 = XDP_PASS; exit
    code = ctypes.create_string_buffer(bytes.fromhex("b700000002000000 9500000000000000"))
    licence = ctypes.create_string_buffer(b"GPL")
    program = bpf.call(_PROG_LOAD, struct.pack(
        "=IIQQIIQII16s", _XDP, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0, b"other"))
    path = Path(f"/sys/fs/bpf/other-{interface}")
    name = ctypes.create_string_buffer(bytes(path))
    attached = False
    try:
        bpf.call(_OBJ_PIN, struct.pack("=QII", ctypes.addressof(name), program, 0))
        namespace.run("ip", "link", "set", "dev", interface, "xdpdrv", "pinned", path)
        attached = True
        about = Path(f"/proc/self/fdinfo/{program}").read_text(encoding="ascii")
        yield int(about.partition("prog_id:")[2].split()[0])
    finally:
        if attached:
            namespace.run("ip", "link", "set", "dev", interface, "xdpdrv", "off")
        path.unlink(missing_ok=True)
        os.close(program)
