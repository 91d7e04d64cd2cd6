# SPDX-License-Identifier: GPL-2.0
"""What the traffic tool reports."""

import json


def all_ok(line, count):
    """The report on a line, in which everything must have gone well."""
    seen = json.loads(line)
    assert (seen["ok"], seen["errors"]) == (count, {})
    return seen
