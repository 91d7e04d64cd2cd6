# SPDX-License-Identifier: GPL-2.0
"""Programs and maps of BPF, by the system call."""

import ctypes
import os
import struct

from .namespace import run

_BPF = 321
_LOOKUP, _UPDATE, _OBJ_GET, _TEST_RUN, _FD_BY_ID = 1, 2, 7, 10, 13
_LIVE_FRAMES = 1 << 1
_LIBC = ctypes.CDLL(None, use_errno=True)

ABORTED, DROP, PASS, TX, REDIRECT = range(5)


def call(command, attributes):
    """The system call: what it returns. `attributes` is a buffer of ctypes, or bytes if nothing is written to it."""
    result = _LIBC.syscall(_BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def load(path, pins):
    """Load all programs of an object file and pin them in a new folder, and their maps in a second: -maps."""
    run("bpftool", "prog", "loadall", path, pins, "type", "xdp", "pinmaps", f"{pins}-maps")


class _Object:
    """A file descriptor of BPF."""

    def __init__(self, fd):
        self.fd = fd

    @classmethod
    def pinned(cls, path):
        """Of a pin."""
        name = ctypes.create_string_buffer(os.fsencode(path))
        return cls(call(_OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0)))

    def close(self):
        """Let go of it."""
        os.close(self.fd)


class Map(_Object):
    """A map; keys and values are bytes."""

    def update(self, key, value):
        """Set an entry."""
        key, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
        call(_UPDATE, struct.pack("=IIQQQ", self.fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))

    def lookup(self, key, size):
        """The value of an entry, of that size."""
        key, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
        call(_LOOKUP, struct.pack("=IIQQQ", self.fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
        return value.raw


class Run:
    """One frame, to be shown to a program again and again, each time as it was; to be run in the namespace of the
    interface it comes by. A run is one system call, and nothing but that: it may be measured."""

    # fd, return value, length in and out, data in and out, times, nanoseconds, context in and out, flags ...
    _ATTRIBUTES = struct.Struct("=IIIIQQIIIIQQIIII")

    def __init__(self, program, frame, interface):
        self._in = ctypes.create_string_buffer(frame, len(frame))
        self._out = ctypes.create_string_buffer(len(frame) + 256)
        # Where the frame begins and ends, no metadata, the interface, its first queue.
        context = struct.pack("=6I", 0, len(frame), 0, interface, 0, 0)
        self._context = ctypes.create_string_buffer(context, len(context))
        words = (program.fd, 0, len(frame), len(self._out), ctypes.addressof(self._in), ctypes.addressof(self._out),
                 1, 0, len(context), 0, ctypes.addressof(self._context), 0, 0, 0, 0, 0)
        self._initial = self._ATTRIBUTES.pack(*words)
        self._attributes = ctypes.create_string_buffer(self._initial, len(self._initial))

    def __call__(self):
        """Run it: the program's verdict and the nanoseconds it took."""
        self._attributes.raw = self._initial
        call(_TEST_RUN, self._attributes)
        words = self._ATTRIBUTES.unpack_from(self._attributes)
        return words[1], words[7]

    def frame(self):
        """Run it: the verdict and what the frame has become."""
        verdict, _ = self()
        length = self._ATTRIBUTES.unpack_from(self._attributes)[3]
        return verdict, self._out.raw[:length]


class Program(_Object):
    """A program for XDP."""

    @classmethod
    def numbered(cls, number):
        """One that is loaded, by its number."""
        return cls(call(_FD_BY_ID, struct.pack("=III", number, 0, 0)))

    def run_live(self, size, count):
        """Run it that often on frames that really go where it sends them."""
        data = ctypes.create_string_buffer(size)
        call(_TEST_RUN, ctypes.create_string_buffer(struct.pack(
            "=IIIIQQIIIIQQIIII", self.fd, 0, size, 0, ctypes.addressof(data), 0, count, 0, 0, 0, 0, 0, _LIVE_FRAMES,
            0, 0, 0)))
