# SPDX-License-Identifier: GPL-2.0
"""FullNAT servers of another family than their service: typed, shown, saved, deleted by their own address."""

import ipaddress
import json

import pytest

from lib import modules
from lib import netlink
from lib.topology import LOCAL
from lib.topology import VIP

VIP6 = "2001:db8:96::204"
SERVICE, SERVICE6 = f"{VIP}:80", f"[{VIP6}]:80"
SERVER6, OTHER6 = "2001:db8:229::1", "2001:db8:229::2"
LOCAL6 = "2001:db8:229::204"
ALIAS_GET = 10
ALIASES = ipaddress.ip_network("240.0.0.0/4")


def kernel_aliases(director):
    """What the engine has: server by alias."""
    family = netlink.Family(director.namespace, "IPVS_FLOW")
    try:
        messages = family.ask(ALIAS_GET, dump=True).messages
    finally:
        family.close()
    found = (netlink.parse(message[6]) for message in messages)
    return {str(ipaddress.ip_address(alias[1])): str(ipaddress.ip_address(alias[2])) for alias in found}


def stored(director):
    """The servers as IPVS itself has them: stock ipvsadm knows no aliases."""
    listing = director.namespace.run("ipvsadm", "-L", "-n").stdout
    return [line.split()[1] for line in listing.splitlines() if line.startswith("  -> ") and "Remote" not in line]


def shown(director, *words):
    """The servers in a listing, without headings."""
    listing = director.adm("-L", "-n", *words)
    return [line.split()[1] for line in listing.splitlines() if line.startswith("  -> ") and "Remote" not in line]


@pytest.fixture
def nat46(director):
    """An IPv4 service with one server of each family."""
    director.adm("-A", "-t", SERVICE, "-s", "rr")
    director.adm("-P", "-t", SERVICE, "-z", LOCAL)
    director.adm("-P", "-t", SERVICE, "-z", LOCAL6)
    director.adm("-a", "-t", SERVICE, "-r", "192.168.229.1", "-b")
    director.adm("-a", "-t", SERVICE, "-r", f"[{SERVER6}]:8080", "-b", "-w", 3)
    return director


def test_an_ipv4_server_of_an_ipv6_service_is_shown_as_ipv4_everywhere(director):
    director.adm("-A", "-t", SERVICE6, "-s", "rr")
    director.adm("-P", "-t", SERVICE6, "-z", LOCAL)
    director.adm("-a", "-t", SERVICE6, "-r", "192.168.229.1:8080", "-b")
    assert stored(director) == ["[64:ff9b::c0a8:e501]:8080"]
    for words in ((), ("--stats",), ("--rate",), ("--thresholds",), ("--persistent-conn",)):
        assert shown(director, *words) == ["192.168.229.1:8080"]
    [service] = json.loads(director.adm("-L", "--json"))["services"]
    assert [server["address"] for server in service["servers"]] == ["192.168.229.1"]
    saved = director.adm("-S", "-n")
    assert f"-a -t {SERVICE6} -r 192.168.229.1:8080 -b -w 1\n" in saved
    director.adm("-e", "-t", SERVICE6, "-r", "192.168.229.1:8080", "-w", 7)
    assert "-w 7" in director.adm("-S", "-n")
    director.adm("-d", "-t", SERVICE6, "-r", "192.168.229.1:8080")
    assert shown(director) == []
    director.clear()
    director.adm("-R", input=saved)
    assert director.adm("-S", "-n") == saved


def test_an_ipv6_server_of_an_ipv4_service_is_shown_as_ipv6_everywhere(nat46):
    [(alias, server)] = kernel_aliases(nat46).items()
    assert server == SERVER6 and ipaddress.ip_address(alias) in ALIASES
    assert sorted(stored(nat46)) == ["192.168.229.1:80", f"{alias}:8080"]
    for words in ((), ("--stats",), ("--rate",), ("--thresholds",), ("--persistent-conn",), ("-t", SERVICE)):
        assert shown(nat46, *words) == ["192.168.229.1:80", f"[{SERVER6}]:8080"]
    [service] = json.loads(nat46.adm("-L", "--json"))["services"]
    assert [server["address"] for server in service["servers"]] == ["192.168.229.1", SERVER6]
    assert service["local_addresses"] == [LOCAL, LOCAL6]
    assert alias not in nat46.adm("-S", "-n")


def test_saved_rules_make_the_aliases_again(nat46):
    saved, aliases = nat46.adm("-S", "-n"), kernel_aliases(nat46)
    assert f"-a -t {SERVICE} -r [{SERVER6}]:8080 -b -w 3\n" in saved
    nat46.clear()
    assert kernel_aliases(nat46) == {}
    nat46.adm("-R", input=saved)
    assert (nat46.adm("-S", "-n"), kernel_aliases(nat46)) == (saved, aliases)


def test_an_alias_goes_with_the_last_server_that_has_it(nat46):
    nat46.adm("-A", "-u", f"{VIP}:53")
    nat46.adm("-a", "-u", f"{VIP}:53", "-r", f"[{SERVER6}]:53", "-b")
    nat46.adm("-a", "-u", f"{VIP}:53", "-r", f"[{OTHER6}]:53", "-b")
    assert set(kernel_aliases(nat46).values()) == {SERVER6, OTHER6}
    nat46.adm("-d", "-t", SERVICE, "-r", f"[{SERVER6}]:8080")
    assert set(kernel_aliases(nat46).values()) == {SERVER6, OTHER6}
    nat46.adm("-d", "-u", f"{VIP}:53", "-r", f"[{SERVER6}]:53")
    assert set(kernel_aliases(nat46).values()) == {OTHER6}
    nat46.adm("-D", "-u", f"{VIP}:53")
    assert kernel_aliases(nat46) == {}


def test_editing_keeps_the_address_and_the_alias(nat46):
    aliases = kernel_aliases(nat46)
    nat46.adm("-e", "-t", SERVICE, "-r", f"[{SERVER6}]:8080", "-w", 9, "-x", 20)
    assert f"-r [{SERVER6}]:8080 -b -w 9 -x 20" in nat46.adm("-S", "-n")
    assert kernel_aliases(nat46) == aliases
    refused = nat46.adm("-e", "-t", SERVICE, "-r", f"[{SERVER6}]:8080", "-m", code=2)
    assert "families" in refused.stderr


@pytest.mark.parametrize("words, code, named", [
    (("-a", "-t", SERVICE, "-r", f"[{SERVER6}]:8080", "-b"), 1, f"[{SERVER6}]:8080"),
    (("-a", "-t", f"{VIP}:81", "-r", f"[{OTHER6}]:80", "-b"), 1, f"{VIP}:81"),
    (("-e", "-t", SERVICE, "-r", f"[{OTHER6}]:80", "-w", "2"), 1, "no such server"),
    (("-d", "-t", SERVICE, "-r", f"[{OTHER6}]:80"), 1, f"[{OTHER6}]:80"),
    (("-d", "-t", f"{VIP}:81", "-r", f"[{OTHER6}]:80"), 1, "no such service"),
    (("-a", "-t", SERVICE, "-r", "240.1.2.3", "-b"), 2, "240.0.0.0/4"),
    (("-a", "-t", SERVICE, "-r", f"[{OTHER6}]:80", "-m"), 2, "families"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_is_refused_leaves_no_alias_behind(nat46, words, code, named):
    aliases, saved = kernel_aliases(nat46), nat46.adm("-S", "-n")
    refused = nat46.adm(*words, code=code)
    [line] = refused.stderr.splitlines()
    assert named in line and "240.1" not in line.replace("240.1.2.3", "")
    assert (kernel_aliases(nat46), nat46.adm("-S", "-n")) == (aliases, saved)


def test_a_server_without_a_local_address_of_its_family_is_warned_of(nat46):
    done = nat46.namespace.run("rsipvsadm", "-L", "-n")
    assert done.stderr == ""
    nat46.adm("-Q", "-t", SERVICE, "-z", LOCAL6)
    [line] = nat46.namespace.run("rsipvsadm", "-L", "-n").stderr.splitlines()
    assert line.startswith("rsipvsadm: warning: ")
    for word in (f"[{SERVER6}]:8080", SERVICE, "IPv6", "-P"):
        assert word in line


def test_services_of_marks_have_servers_of_both_families(director):
    director.adm("-A", "-f", 7, "-6", "-s", "rr")
    director.adm("-P", "-f", 7, "-6", "-z", LOCAL)
    director.adm("-a", "-f", 7, "-6", "-r", "192.168.229.1:80", "-b")
    director.adm("-a", "-f", 7, "-6", "-r", f"[{SERVER6}]:80", "-b")
    director.adm("-A", "-f", 7, "-s", "rr")
    director.adm("-a", "-f", 7, "-r", f"[{SERVER6}]:80", "-b")
    saved = director.adm("-S", "-n")
    assert shown(director) == [f"[{SERVER6}]:80", "192.168.229.1:80", f"[{SERVER6}]:80"]
    director.clear()
    director.adm("-R", input=saved)
    assert director.adm("-S", "-n") == saved


def test_sctp_services_take_fullnat_servers(director):
    for vip, local, server in ((VIP, LOCAL, "192.168.229.1"), (f"[{VIP6}]", LOCAL6, f"[{SERVER6}]")):
        director.adm("-A", "--sctp-service", f"{vip}:36412", "-s", "rr")
        director.adm("-P", "--sctp-service", f"{vip}:36412", "-z", local)
        director.adm("-a", "--sctp-service", f"{vip}:36412", "-r", server, "-b")
    assert shown(director) == ["192.168.229.1:36412", f"[{SERVER6}]:36412"]
    assert f"SCTP {VIP}:36412 rr" in director.adm("-L", "-n")


@pytest.mark.limit(120)
def test_a_lost_alias_is_named_and_comes_back(nat46):
    [alias] = kernel_aliases(nat46)
    saved = nat46.adm("-S", "-n")
    modules.unload_director()
    modules.load_director()
    done = nat46.namespace.run("rsipvsadm", "-L", "-n")
    [line] = [line for line in done.stderr.splitlines() if alias in line]
    assert f"{alias}:8080" in done.stdout and f"-e -t {SERVICE} -r [ADDRESS]:8080" in line
    nat46.adm("-e", "-t", SERVICE, "-r", f"[{SERVER6}]:8080")
    assert kernel_aliases(nat46) == {alias: SERVER6}
    for local in (LOCAL, LOCAL6):
        nat46.adm("-P", "-t", SERVICE, "-z", local)
    done = nat46.namespace.run("rsipvsadm", "-S", "-n")
    assert (done.stdout, done.stderr) == (saved, "")
