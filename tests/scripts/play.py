# SPDX-License-Identifier: GPL-2.0
"""Plays every script of this folder, in every family it is for."""

from pathlib import Path

import pytest

from lib.script import language

HERE = Path(__file__).parent
SCRIPTS = {str(path.relative_to(HERE).with_suffix("")): path for path in sorted(HERE.rglob("*.script"))}


def pytest_generate_tests(metafunc):
    """A test for each script and family."""
    read = {name: language.parse(path.read_text(encoding="utf-8")) for name, path in SCRIPTS.items()}
    cases = [
        pytest.param(script, family, id=f"{name}-{family}")
        for family in language.FAMILIES for name, script in read.items() if family in script.families
    ]
    metafunc.parametrize(("script", "family"), cases)


def test_script(stage, script, family):
    stage.play(script, family)
