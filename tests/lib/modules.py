# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading kernel modules, fast enough to do it hundreds of times."""

import contextlib
import ctypes
import functools
import os
from pathlib import Path

from .namespace import run
from .waiting import wait_until

_FINIT_MODULE, _DELETE_MODULE = 313, 176
_LIBC = ctypes.CDLL(None, use_errno=True)

DIRECTOR = ("ip_vs_flow", "ip_vs_fullnat")


@functools.cache
def path(name):
    """Where the module's file is."""
    return run("modinfo", "-F", "filename", name).stdout.strip()


def loaded(name):
    """Whether the module is in the kernel."""
    return Path("/sys/module", name, "initstate").exists()


def _syscall(number, *arguments):
    if _LIBC.syscall(number, *arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def insert(name, parameters=""):
    """Load one module whose dependencies are there."""
    fd = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _syscall(_FINIT_MODULE, fd, parameters.encode(), 0)
    finally:
        os.close(fd)


def try_remove(name):
    """Unload one module unless it is in use."""
    try:
        _syscall(_DELETE_MODULE, name.encode(), os.O_NONBLOCK)
    except BlockingIOError:
        return False
    return True


def remove(name):
    """Unload one module; its last users may be leaving just now."""
    wait_until(lambda: try_remove(name), f"module {name} to be unused")


@contextlib.contextmanager
def kept(name):
    """Have one module loaded while the body runs, which may unload and load it."""
    if not loaded(name):
        insert(name)
    yield
    if loaded(name):
        remove(name)


def load_director():
    """Load what FullNAT needs."""
    run("modprobe", "ip_vs_fullnat")


def unload_director():
    """Unload both modules of the director, in the only order there is."""
    for name in reversed(DIRECTOR):
        if loaded(name):
            remove(name)
