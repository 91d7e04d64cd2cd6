# SPDX-License-Identifier: GPL-2.0
"""How FullNAT serves a service: set, changed, shown, saved, forgotten."""

import json

import pytest

from lib.topology import VIP

SERVICE = ("-t", f"{VIP}:80")


def fullnat_of(director):
    [service] = json.loads(director.adm("-L", "--json"))["services"]
    return service["fullnat"]


def line_of(director):
    [line] = [line for line in director.adm("-L", "-n").splitlines() if VIP in line]
    return line


def test_what_nobody_set_is_not_shown(director):
    director.adm("-A", *SERVICE, "-s", "rr")
    assert line_of(director) == f"TCP  {VIP}:80 rr"
    assert director.adm("-S", "-n") == f"-A -t {VIP}:80 -s rr\n"
    assert fullnat_of(director) == {"toa": "ack", "toa_kind": 254, "uoa": "off", "conn_timeout": 0}


def test_what_was_set_is_shown_saved_and_restored(director):
    director.adm("-A", *SERVICE, "-s", "rr", "-p", 300, "--conn-timeout", 90, "--toa", "syn", "--toa-kind", 200)
    assert line_of(director) == f"TCP  {VIP}:80 rr persistent 300 conn-timeout 90 toa syn toa-kind 200"
    assert fullnat_of(director) == {"toa": "syn", "toa_kind": 200, "uoa": "off", "conn_timeout": 90}
    saved = director.adm("-S", "-n")
    assert saved == f"-A -t {VIP}:80 -s rr -p 300 --conn-timeout 90 --toa syn --toa-kind 200\n"
    director.clear()
    director.adm("-R", input=saved)
    assert director.adm("-S", "-n") == saved


def test_editing_changes_what_was_named_only(director):
    director.adm("-A", *SERVICE, "-s", "rr", "--conn-timeout", 90, "--toa", "off")
    director.adm("-E", *SERVICE, "-s", "wrr")
    assert line_of(director) == f"TCP  {VIP}:80 wrr conn-timeout 90 toa off"
    director.adm("-E", *SERVICE, "--toa-kind", 253)
    assert line_of(director) == f"TCP  {VIP}:80 wrr conn-timeout 90 toa off toa-kind 253"
    director.adm("-E", *SERVICE, "--conn-timeout", 0, "--toa", "ack", "--toa-kind", 254)
    assert line_of(director) == f"TCP  {VIP}:80 wrr"


@pytest.mark.parametrize("mode", ["opp", "ipo"])
def test_udp_has_its_own(director, mode):
    director.adm("-A", "-u", f"{VIP}:53", "-s", "rr", "--uoa", mode)
    assert line_of(director) == f"UDP  {VIP}:53 rr uoa {mode}"
    assert fullnat_of(director)["uoa"] == mode


def test_marks_of_both_families_have_them(director):
    for family in ((), ("-6",)):
        director.adm("-A", "-f", 7, *family, "-s", "rr", "--toa", "syn", "--uoa", "opp")
    assert director.adm("-S", "-n") == "".join(
        f"-A -f 7{family} -s rr --toa syn --uoa opp\n" for family in ("", " -6")
    )


def test_a_service_added_anew_has_none_of_the_old_ones(director):
    director.adm("-A", *SERVICE, "-s", "rr", "--conn-timeout", 90)
    director.adm("-D", *SERVICE)
    director.adm("-A", *SERVICE, "-s", "rr")
    assert line_of(director) == f"TCP  {VIP}:80 rr"
    director.adm("-E", *SERVICE, "--toa", "off")
    director.namespace.run("ipvsadm", "-D", *SERVICE)
    director.adm("-A", *SERVICE, "-s", "rr")
    assert line_of(director) == f"TCP  {VIP}:80 rr"
    for command in (("-D", *SERVICE), ("-C",)):
        director.adm("-E", *SERVICE, "--toa", "syn")
        director.adm(*command)
        director.namespace.run("ipvsadm", "-A", *SERVICE, "-s", "rr")
        assert line_of(director) == f"TCP  {VIP}:80 rr"


def test_a_service_that_is_not_there_is_named(director):
    refused = director.adm("-E", *SERVICE, "--toa", "off", code=1)
    [line] = refused.stderr.splitlines()
    assert f"{VIP}:80" in line
