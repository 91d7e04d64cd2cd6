# SPDX-License-Identifier: GPL-2.0
"""What a vector says: a sentence, a packet, and what is to come of it."""

import dataclasses

import pytest

from .network import KINDS
from .shapes import OTHER
from .shapes import Where
from .shapes import place_of


@dataclasses.dataclass(frozen=True)
class Out:
    """An expected packet: the same way as the one that was sent, or the director's own, back to its sender."""

    shape: object
    back: bool = False

    def where(self, flow, way):
        """The place at which it comes out."""
        if not self.back:
            return Where(flow, place_of(way, sent=False), way, expected=True)
        return Where(flow, place_of(way, sent=True), OTHER[way])


@dataclasses.dataclass(frozen=True)
class Vector:
    """One vector.

    `state` of the connection: new (none yet), half (SYN sent), open (handshake done), known (the client has
    acknowledged data of the server, so that its address is known there). `counts` are all counters that move.
    """

    sentence: str
    kind: str
    way: str
    sent: object
    expected: tuple
    counts: dict
    state: str = "open"
    before: tuple = ()
    sysctls: dict = dataclasses.field(default_factory=dict)
    client: dict = dataclasses.field(default_factory=dict)


def vectors(kinds, sentence, sent, expected=(), counts=None, *, way="request", **more):
    """The vector for each of some kinds of service; `expected` may be a shape, an `Out`, or several."""
    expected = expected if isinstance(expected, (tuple, list)) else (expected,)
    expected = tuple(out if isinstance(out, Out) else Out(out) for out in expected)
    return [Vector(sentence, kind, way, sent, expected, counts or {}, **more) for kind in kinds.split()]


def each(*lists):
    """A mark that runs a test for every vector, under the name of its kind and its sentence."""
    found = [vector for vectors in lists for vector in vectors]
    names = [f"{vector.kind}: {vector.sentence}" for vector in found]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, twice
    assert all(vector.kind in KINDS for vector in found), found
    return pytest.mark.parametrize("vector", found, ids=names)
