# SPDX-License-Identifier: GPL-2.0
"""Waiting for something to become true; the only place where tests pass time."""

import time

INTERVAL = 0.02


def wait_until(condition, what, timeout=10.0):
    """Return the first true value of condition(), or fail naming what was waited for."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:.0f} s for {what}; last seen: {value!r}")
        time.sleep(INTERVAL)


def wait_until_none(listing, what, timeout=10.0):
    """Return when listing() is empty, or fail showing the first few of what is left."""
    left = []

    def is_empty():
        left[:] = listing()
        return not left

    try:
        wait_until(is_empty, what, timeout)
    except AssertionError:
        raise AssertionError(f"waited {timeout:.0f} s for {what}; {len(left)} left: {left[:5]}") from None
