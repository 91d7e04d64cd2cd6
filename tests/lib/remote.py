# SPDX-License-Identifier: GPL-2.0
"""Objects of another machine of a cluster, used as if they were here.

The client's tests call methods of named objects in a peer (tests/peer) over a virtio port, one call at a time:
arguments and results are pickled, exceptions are raised here, and a program that is started there stays there under a
new name.
"""

import os
import signal
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from .namespace import Namespace
from .namespace import Program

CALL_LIMIT = 50  # Seconds; less than a test's time, so that the peer is done before the next test begins.


class Here(Namespace):
    """The machine's own network namespace."""

    def __init__(self):
        self.name = Path("/proc/sys/kernel/hostname").read_text(encoding="ascii").strip()
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.programs = []

    def write(self, path, text):
        """Write a file, as a shell's redirection does."""
        Path(path).write_text(text, encoding="ascii")


class Reference(str):
    """The name of an object that stays in the peer."""


class Peer:
    """The other end of a port: calls what it is asked to call."""

    def __init__(self, port, objects):
        self.connection = Connection(os.open(port, os.O_RDWR | os.O_CLOEXEC))
        self.objects = objects
        signal.signal(signal.SIGALRM, self._ring)

    @staticmethod
    def _ring(_signal, _frame):
        raise TimeoutError(f"no end after {CALL_LIMIT} s")

    def serve(self):
        """Serve until the client is gone."""
        while True:
            try:
                number, name, method, arguments, options = self.connection.recv()
            except EOFError:
                return
            signal.alarm(CALL_LIMIT)
            try:
                answer = getattr(self.objects[name], method)(*arguments, **options)
                if isinstance(answer, Program):
                    self.objects[name := f"program {number}"] = answer
                    answer = Reference(name)
                error = None
            except Exception as caught:  # Whatever it is, it is the test's.
                answer, error = traceback.format_exc(), caught
            signal.alarm(0)
            self.connection.send((number, answer, error))


class Machine:
    """A peer, seen from the client; its objects are its attributes."""

    def __init__(self, role):
        self.role = role
        self.connection = Connection(os.open(port(role), os.O_RDWR | os.O_CLOEXEC))
        self.number = 0

    def __getattr__(self, name):
        return Remote(self, name)

    def call(self, name, method, arguments, options):
        """Call a method of one of its objects."""
        self.number += 1
        self.connection.send((self.number, name, method, arguments, options))
        number = 0
        # BOUND: a call that the test's time limit has cut off leaves one answer behind.
        while number < self.number:
            number, answer, error = self.connection.recv()
        if error is not None:
            error.add_note(f"in the {self.role}:\n{answer}")
            raise error
        return Remote(self, answer) if isinstance(answer, Reference) else answer


class Remote:
    """An object of a peer."""

    def __init__(self, machine, name):
        self._machine = machine
        self._name = name

    def __getattr__(self, method):
        return lambda *arguments, **options: self._machine.call(self._name, method, arguments, options)


def port(name):
    """The device of a virtio port."""
    for path in Path("/sys/class/virtio-ports").glob("*/name"):
        if path.read_text(encoding="ascii").strip() == name:
            return f"/dev/{path.parent.name}"
    raise FileNotFoundError(f"this machine has no port {name}; boot a cluster: vm/run --cluster")
