# SPDX-License-Identifier: GPL-2.0
"""What the traffic tool reports, and how long its servers keep quiet."""

import contextlib
import json

_MUTE = """table inet mute { chain output { type filter hook output priority 0;
    tcp sport 80 tcp flags & (syn | fin | rst | psh) == 0 numgen inc mod 1000000 < 8 drop; }; }"""


@contextlib.contextmanager
def only_answers(server):
    """A server on port 80 acknowledges with its answers only, and does not before, unless it takes long: after eight
    acknowledgements something was lost, and will not be sent again without them."""
    server.run("nft", "-f", "-", input=_MUTE)
    try:
        yield
    finally:
        server.run("nft", "delete", "table", "inet", "mute")


def all_ok(line, count):
    """The report on a line, in which everything must have gone well."""
    seen = json.loads(line)
    assert (seen["ok"], seen["errors"]) == (count, {})
    return seen
