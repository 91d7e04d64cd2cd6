# SPDX-License-Identifier: GPL-2.0
"""Beside Debian's own ipvsadm: the same rules must give the same text, and each must read what the other wrote."""

import pytest

RULES = """\
-A -t 10.1.0.1:80 -s wlc
-a -t 10.1.0.1:80 -r 10.2.0.1:80 -g -w 1
-a -t 10.1.0.1:80 -r 10.2.0.2:80 -g -w 65535 -x 100 -y 50
-A -t 10.1.0.1:443 -s rr -p 600
-a -t 10.1.0.1:443 -r 10.2.0.1:8443 -m -w 0
-A -t 10.1.0.1:8080 -s sh -p 360 -M 255.255.255.0 -b sh-port
-A -u 10.1.0.1:53 -s wrr -o
-a -u 10.1.0.1:53 -r 10.2.0.3:53 -m -w 7
-A -f 7 -s lc
-a -f 7 -r 10.2.0.1:0 -i -w 1
"""

# What ipvsadm reads: -b with a service names scheduler flags there.
OURS = RULES.replace("-b sh-port", "--sched-flags sh-port")

LISTINGS = [
    ("-L", "-n"), ("-l", "-n"), ("-L", "-n", "--stats"), ("-L", "-n", "--rate"), ("-L", "-n", "--thresholds"),
    ("-L", "-n", "--persistent-conn"), ("-L", "--timeout"), ("-L", "-n", "-t", "10.1.0.1:443"),
    ("-L", "-n", "-u", "10.1.0.1:53"), ("-L", "-n", "-f", "7"), ("-L", "-n", "--stats", "--exact"),
]


@pytest.fixture
def ruled(director):
    director.adm("-R", input=OURS)
    return director


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_a_listing_is_that_of_ipvsadm_to_the_last_blank(ruled, words):
    theirs = ruled.namespace.run("ipvsadm", *words).stdout
    assert ruled.adm(*words) == theirs


def test_rules_written_by_ipvsadm_are_read(director):
    director.namespace.run("ipvsadm", "-R", input=RULES)
    theirs = director.namespace.run("ipvsadm", "-S", "-n").stdout
    shown = director.adm("-L", "-n")
    director.clear()
    director.adm("-R", input=theirs)
    assert director.adm("-L", "-n") == shown
    assert director.namespace.run("ipvsadm", "-S", "-n").stdout == theirs


def test_rules_without_fullnat_are_written_as_ipvsadm_reads_them(ruled):
    ours = ruled.adm("-S", "-n")
    shown = ruled.adm("-L", "-n")
    ruled.clear()
    ruled.namespace.run("ipvsadm", "-R", input=ours)
    assert ruled.adm("-L", "-n") == shown


def test_ipvsadm_still_works_beside_a_fullnat_service(fullnat):
    shown = fullnat.namespace.run("ipvsadm", "-L", "-n").stdout
    assert "TCP  10.0.96.204:80 rr" in shown and "192.168.229.1:80" in shown
