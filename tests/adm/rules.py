# SPDX-License-Identifier: GPL-2.0
"""Changing, saving and restoring rules."""

from lib.topology import LOCAL
from lib.topology import VIP
from lib.waiting import wait_until

SERVICE = ("-t", f"{VIP}:80")

SAVED = f"""\
-A -t {VIP}:80 -s wrr
-P -t {VIP}:80 -z 192.168.229.204
-P -t {VIP}:80 -z 192.168.229.205
-a -t {VIP}:80 -r 192.168.229.1:80 -b -w 3
-a -t {VIP}:80 -r 192.168.229.2:8080 -b -w 1 -x 10 -y 5
-A -u {VIP}:53 -s rr
-P -u {VIP}:53 -z 192.168.229.204
-a -u {VIP}:53 -r 192.168.229.1:53 -b -w 1
"""


def test_saved_rules_make_the_same_state_again(director):
    director.adm("-R", input=SAVED)
    saved = director.adm("-S", "-n")
    shown, local = director.adm("-L", "-n"), director.adm("-G")
    for line in SAVED.splitlines():
        assert line.split()[0] in saved
    assert sorted(saved.splitlines()) == sorted(SAVED.splitlines())
    director.clear()
    assert director.adm("-S", "-n") == ""
    director.adm("-R", input=saved)
    assert (director.adm("-S", "-n"), director.adm("-L", "-n"), director.adm("-G")) == (saved, shown, local)


def test_a_bad_rule_among_good_ones_is_named_by_its_line(director):
    refused = director.adm("-R", input=f"-A {' '.join(SERVICE)} -s rr\n-a -t {VIP}:81 -r 192.168.229.1:81 -b\n", code=1)
    assert "2" in refused.stderr and f"{VIP}:81" in refused.stderr
    refused = director.adm("-R", input="-A -t nonsense:80 -s rr\n", code=2)
    assert len(refused.stderr.splitlines()) == 1


def test_comments_and_empty_lines_are_no_rules(director):
    director.adm("-R", input=f"# a comment\n\n-A -t {VIP}:80 -s rr\n")
    assert f"TCP  {VIP}:80 rr" in director.adm("-L", "-n")


def test_editing_a_service_changes_what_was_named_only(director):
    director.adm("-A", *SERVICE, "-s", "rr", "-p", "600")
    director.adm("-E", *SERVICE, "-s", "wrr")
    assert f"TCP  {VIP}:80 wrr persistent 600" in director.adm("-L", "-n")


def test_editing_a_server_changes_what_was_named_only(fullnat):
    fullnat.adm("-e", *SERVICE, "-r", "192.168.229.1", "-w", "5", "-x", "20", "-y", "10")
    fullnat.adm("-e", *SERVICE, "-r", "192.168.229.1", "-w", "7")
    assert "-w 7 -x 20 -y 10" in fullnat.adm("-S", "-n")
    assert fullnat.servers(f"{VIP}:80")["192.168.229.1:80"] == {
        "forward": "FullNat", "weight": 7, "active": 0, "inactive": 0,
    }


def test_deleting_takes_away_what_was_named_only(fullnat):
    fullnat.adm("-d", *SERVICE, "-r", "192.168.229.1")
    assert list(fullnat.servers(f"{VIP}:80")) == ["192.168.229.2:80"]
    fullnat.adm("-Q", *SERVICE, "-z", LOCAL)
    assert fullnat.local_addresses(f"{VIP}:80") == {}
    assert set(fullnat.local_addresses(f"{VIP}:80", "-u")) == {LOCAL}
    fullnat.adm("-D", *SERVICE)
    shown = fullnat.adm("-L", "-n")
    assert "TCP" not in shown and f"UDP  {VIP}:80 rr" in shown


def test_a_deleted_service_takes_its_local_addresses_with_it(fullnat):
    fullnat.adm("-D", *SERVICE)
    fullnat.adm("-A", *SERVICE, "-s", "rr")
    assert fullnat.local_addresses(f"{VIP}:80") == {}


def test_clearing_takes_away_everything(fullnat):
    fullnat.adm("-C")
    assert fullnat.adm("-S", "-n") == ""
    assert len(fullnat.adm("-G").splitlines()) == 1


def test_zeroing_one_service_leaves_the_others_counts(topology, fullnat):
    for kind in ("connect", "udp"):
        topology.client.run("traffic", kind, f"{VIP}:80")
    # IPVS adds up its counters every two seconds.
    wait_until(lambda: fullnat.stats(f"{VIP}:80", "-u")["service"]["conns"], "the counters to be added up")
    fullnat.adm("-Z", *SERVICE)
    assert fullnat.stats(f"{VIP}:80", "-t")["service"]["conns"] == 0
    assert fullnat.stats(f"{VIP}:80", "-u")["service"]["conns"] == 1


def test_set_with_zero_leaves_a_timeout_as_it_is(director):
    before = director.adm("-L", "--timeout").split(":")[1].split()
    try:
        director.adm("--set", "100", "0", "0")
        assert director.adm("-L", "--timeout").split(":")[1].split() == ["100", *before[1:]]
    finally:
        director.adm("--set", *before)
