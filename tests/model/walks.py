# SPDX-License-Identifier: GPL-2.0
"""Random walks against the reference.

MODEL_SEED=N repeats one walk, MODEL_SEED=random takes a new one, MODEL_STEPS=N makes walks of another length:
vm/run -- env MODEL_SEED=random MODEL_STEPS=100000 tests/run model
"""

import os
import secrets

import pytest

from lib.ends import Ends
from lib.model.walk import Walk

STEPS = int(os.environ.get("MODEL_STEPS", 1500))


def seeds():
    """The walks of every run, or the one that was asked for."""
    match os.environ.get("MODEL_SEED"):
        case None:
            return ["1", "2", "3", "4", "5"]
        case "random":
            return [secrets.token_hex(4)]
        case seed:
            return [seed]


@pytest.mark.limit(60 + STEPS // 10)
@pytest.mark.parametrize("seed", seeds())
def test_a_random_walk_finds_what_the_reference_says(seed):
    ends = Ends()
    try:
        walk = Walk(ends, seed)
        try:
            walk.go(STEPS)
        finally:
            walk.close()
        print(f"{walk.sent} packets: {dict(walk.reference.fates)}; {dict(walk.reference.counted)}")
    finally:
        ends.delete()
