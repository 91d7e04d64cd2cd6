# SPDX-License-Identifier: GPL-2.0
"""Reads the kernel log for reports that must fail a test."""

import os
import re

ALARM = re.compile(
    r"\bBUG\b|\bWARNING\b|\bOops\b|UBSAN|KASAN|KFENCE|general protection|Unable to handle"
    r"|possible recursive locking|circular locking|inconsistent lock|suspicious RCU|rcu.*(stall|detected)"
    r"|scheduling while atomic|sleeping function called|refcount_t|list_(add|del) corruption"
    r"|unregister_netdevice: waiting|kmemleak|panicked|blocked for more than|soft lockup|hard LOCKUP"
)


class KernelLog:
    """A position in the kernel log; starts at its end."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self):
        """Every record since the last call."""
        lines = []
        while True:
            try:
                record = os.read(self.fd, 8192).decode("utf-8", "replace")
            except BlockingIOError:
                return lines
            except BrokenPipeError:
                # The ring was overwritten below us: the next read is the oldest record there is.
                lines.append("(records lost)")
                continue
            lines.append(record.partition(";")[2].partition("\n")[0])

    def alarms(self):
        """The records since the last call that no test may cause, each with what follows it."""
        lines = self.lines()
        wrong = [number for number, line in enumerate(lines) if ALARM.search(line)]
        return lines[wrong[0]:wrong[0] + 40] if wrong else []

    def close(self):
        """Stop reading."""
        os.close(self.fd)
