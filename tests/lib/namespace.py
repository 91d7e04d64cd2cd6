# SPDX-License-Identifier: GPL-2.0
"""Network namespaces, and programs in them.

A thread enters a namespace only for as long as it takes to open a socket or to start a program, so no helper process
is needed. Programs started in a namespace are ended with it.
"""

import contextlib
import os
import shlex
import subprocess
from pathlib import Path

from .waiting import wait_until

RUN_LIMIT = 30


class Failed(AssertionError):
    """A program ended with another exit code than it should."""


def run(*command, code=0, timeout=RUN_LIMIT, **options):
    """Run a program to its end and return it; code=None accepts any exit code."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)
    if code is not None and done.returncode != code:
        raise Failed(f"$ {shlex.join(command)}\n{done.stdout}{done.stderr}(exit code {done.returncode}, not {code})")
    return done


class Program:
    """A program that runs beside the test."""

    def __init__(self, command, **options):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )

    def read_line(self):
        """Wait for the next line of output; the test's time limit is the limit."""
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"$ {shlex.join(self.command)}\n{self.process.stderr.read()}(ended without a word)")
        return line.rstrip("\n")

    def say(self, line):
        """Write a line to its standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self, code=0, timeout=RUN_LIMIT):
        """Close its standard input, wait for its end and return what it wrote."""
        out, err = self.process.communicate(timeout=timeout)
        if code is not None and self.process.returncode != code:
            ended = f"(exit code {self.process.returncode}, not {code})"
            raise Failed(f"$ {shlex.join(self.command)}\n{out}{err}{ended}")
        return out

    def kill(self):
        """End it now."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


class Namespace:
    """A named network namespace. It must have been made with `ip netns add`."""

    def __init__(self, name):
        self.name = name
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self.programs = []

    @contextlib.contextmanager
    def entered(self):
        """Put the calling thread into the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.setns(self.fd, os.CLONE_NEWNET)
            yield
        finally:
            os.setns(home, os.CLONE_NEWNET)
            os.close(home)

    def run(self, *command, **options):
        """Run a program in the namespace to its end."""
        with self.entered():
            return run(*command, **options)

    def start(self, *command, **options):
        """Start a program in the namespace."""
        with self.entered():
            program = Program(command, **options)
        self.programs.append(program)
        return program

    def ip(self, *lines):
        """Carry out several ip(8) commands at once."""
        return self.run("ip", "-batch", "-", input="\n".join(lines) + "\n").stdout

    def read(self, path):
        """Read a file under /proc that depends on the namespace."""
        with self.entered():
            return Path(path).read_text(encoding="ascii")

    def sysctl(self, name, value=None):
        """Read a sysctl of the namespace, or set it and return what it was."""
        path = Path("/proc/sys", name.replace(".", "/"))
        with self.entered():
            before = path.read_text(encoding="ascii").strip()
            if value is not None:
                path.write_text(f"{value}\n", encoding="ascii")
        return before

    def stop_programs(self):
        """End every program started here."""
        while self.programs:
            self.programs.pop().kill()

    def mib(self, name):
        """Value of one of the counters nstat(8) shows, such as TcpInCsumErrors."""
        for path in ("/proc/net/snmp", "/proc/net/netstat"):
            lines = self.read(path).splitlines()
            for names, values in zip(lines[::2], lines[1::2], strict=True):
                group, *names = names.split()
                values = values.split()[1:]
                if name.startswith(group[:-1]) and name[len(group) - 1:] in names:
                    return int(values[names.index(name[len(group) - 1:])])
        raise KeyError(name)

    def mib6(self, name):
        """The same for counters of IPv6, such as Ip6InReceives."""
        return int(dict(line.split() for line in self.read("/proc/net/snmp6").splitlines())[name])

    def delete(self):
        """Take the namespace away; the kernel follows when its last socket is closed."""
        self.stop_programs()
        os.close(self.fd)
        run("ip", "netns", "delete", self.name)

    def wait_for_port(self, port, protocol="tcp"):
        """Wait until something listens; on sockets of IPv6, or of both families, with "tcp6" and "udp6"."""
        ending = f":{port:04X}"
        state = {"tcp": "0A", "udp": "07"}[protocol[:3]]

        def listens():
            rows = (line.split() for line in self.read(f"/proc/net/{protocol}").splitlines()[1:])
            return any(row[1].endswith(ending) and row[3] == state for row in rows)

        wait_until(listens, f"a listener on {protocol} port {port} in {self.name}")
