# SPDX-License-Identifier: GPL-2.0
"""What people type from how-tos of DPVS, Alibaba LVS and LVS, and what they are shown."""

import json
import re

from lib.topology import VIP
from lib.traffic import all_ok

BANNER = re.compile(r"IP Virtual Server version \d+\.\d+\.\d+ \(size=\d+\)")
HEADING = """\
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
"""


def server(address, forward, weight=1, active=0, inactive=0):
    return f"  -> {address:<28} {forward:<7} {weight:<6} {active:<10} {inactive:<10}"


def lines(text):
    """Lines without the blanks at their ends, which no transcript has kept."""
    return [line.rstrip() for line in text.splitlines()]


def test_a_fullnat_service_of_dpvs(topology, director):
    assert director.adm("-A", "-t", "10.0.96.204:80", "-s", "rr") == ""
    assert director.adm("-a", "-t", "10.0.96.204:80", "-r", "192.168.229.1", "-b") == ""
    assert director.adm("--add-laddr", "-z", "192.168.229.204", "-t", "10.0.96.204:80", "-F", "lan1") == ""
    banner, *listing = lines(director.adm("-ln"))
    assert BANNER.fullmatch(banner)
    assert listing == [
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "TCP  10.0.96.204:80 rr",
        "  -> 192.168.229.1:80             FullNat 1      0          0",
    ]
    assert lines(director.adm("-G")) == [
        "VIP:VPORT            TOTAL    SNAT_IP              CONFLICTS  CONNS",
        "10.0.96.204:80       1",
        "                              192.168.229.204      0          0",
    ]
    assert "192.168.229.204/32" in topology.director.run("ip", "addr", "show", "dev", "lan1").stdout
    director.adm("-Q", "-z", "192.168.229.204", "-t", "10.0.96.204:80", "-F", "lan1")
    assert "192.168.229.204/32" not in topology.director.run("ip", "addr", "show", "dev", "lan1").stdout


def test_a_connection_listing_of_dpvs(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "--hold")
    [exchange] = json.loads(held.read_line())["list"]
    [line] = lines(fullnat.adm("-Lnc"))
    number, _, rest = line.partition("]")
    assert number[0] == "[" and number[1:].isdigit()
    seconds = rest.split()[1]
    ends = f"{exchange['own']:<18} {VIP + ':80':<18} {exchange['peer']:<18} {exchange['server']}"
    assert rest == f"{'tcp':<3} {seconds:<6} {'ESTABLISHED':<11} {ends}"
    held.finish()


def test_a_local_address_counts_its_connections(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 3, "--hold")
    all_ok(held.read_line(), 3)
    rows = lines(fullnat.adm("-G", "-t", f"{VIP}:80"))
    assert rows[1:] == [f"{VIP + ':80':<20} 1", f"{'':<20} {'':<8} {'192.168.229.204':<20} {0:<10} 3"]
    held.finish()


def test_a_masquerading_service_of_lvs(director):
    director.adm("-A", "-t", "192.168.200.123:80", "-s", "rr")
    director.adm("-a", "-t", "192.168.200.123:80", "-r", "172.16.254.122", "-m")
    director.adm("-a", "-t", "192.168.200.123:80", "-r", "172.16.254.133", "-m")
    banner, _, listing = director.adm("-Ln").partition("\n")
    assert BANNER.fullmatch(banner)
    assert listing == HEADING + "\n".join([
        "TCP  192.168.200.123:80 rr",
        server("172.16.254.122:80", "Masq"),
        server("172.16.254.133:80", "Masq"), "",
    ])


def test_a_routed_service_of_lvs(director):
    director.adm("-A", "-t", "172.16.123.122:80", "-s", "rr")
    director.adm("-a", "-t", "172.16.123.122:80", "-r", "172.16.254.122", "-g")
    director.adm("-a", "-t", "172.16.123.122:80", "-r", "172.16.254.111", "-i")
    shown = director.adm("-Ln")
    assert server("172.16.254.122:80", "Route") in shown
    assert server("172.16.254.111:80", "Tunnel") in shown


def test_a_keepalived_style_weight(director):
    director.adm("-A", "-t", "192.168.7.182:80", "-s", "rr")
    director.adm("-a", "-t", "192.168.7.182:80", "-r", "192.168.7.27:80", "-b", "-w", "100")
    assert lines(director.adm("-Ln"))[3:] == [
        "TCP  192.168.7.182:80 rr",
        "  -> 192.168.7.27:80              FullNat 100    0          0",
    ]


def test_dashes_of_a_web_page_are_taken_for_dashes(director):
    director.adm("\u2013A", "\u2013t", "10.0.96.204:80", "\u2013s", "rr")
    assert "TCP  10.0.96.204:80 rr" in director.adm("-Ln")
