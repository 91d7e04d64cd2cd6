# SPDX-License-Identifier: GPL-2.0
"""A list of many connections takes no more memory than a list of none."""

import json
import re

import pytest

from lib.namespace import run
from lib.topology import DIRECTOR
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP

MANY = 20_000


def works_within(director, kilobytes, *words):
    """Whether a listing gets along with so much address space."""
    limited = f"ulimit -v {kilobytes} && exec rsipvsadm {' '.join(words)} >/dev/null"
    return director.namespace.run("sh", "-c", limited, code=None).returncode == 0


def need(director, *words):
    """The least address space that a listing gets along with, in KiB, to about 100."""
    low, high = 1 << 10, 1 << 17
    assert works_within(director, high, *words)
    while high - low > 100:
        middle = (low + high) // 2
        low, high = (low, middle) if works_within(director, middle, *words) else (middle, high)
    return high


def pktgen(client, name, *lines):
    """Tell the kernel's packet generator something."""
    with client.entered():
        for line in lines:
            with open(f"/proc/net/pktgen/{name}", "w", encoding="ascii") as file:
                file.write(line + "\n")


@pytest.fixture
def many(topology, director):
    """Connections of clients that never come back."""
    director.adm("-A", "-u", f"{VIP}:53", "-s", "rr")
    director.adm("-P", "-u", f"{VIP}:53", "-z", LOCAL)
    for server in SERVERS:
        director.adm("-a", "-u", f"{VIP}:53", "-r", server, "-b")
    empty = {words: need(director, *words) for words in (("-Lnc",), ("-Lnc", "--json"))}
    # Nobody hears the clients' answers.
    topology.director.ip("route add blackhole 10.1.0.0/16")
    run("modprobe", "pktgen")
    shown = topology.director.run("ip", "link", "show", "wan").stdout
    mac = re.search(r"link/ether (\S+)", shown).group(1)
    pktgen(topology.client, "kpktgend_0", "rem_device_all", "add_device eth0")
    pktgen(
        topology.client, "eth0", f"count {MANY}", "delay 0", "pkt_size 60", f"dst {VIP}", f"dst_mac {mac}",
        "src_min 10.1.0.1", "src_max 10.1.255.254", "udp_src_min 1024", "udp_src_max 65535", "udp_dst_min 53",
        "udp_dst_max 53", "flag IPSRC_RND", "flag UDPSRC_RND",
    )
    pktgen(topology.client, "pgctrl", "start")
    yield empty
    pktgen(topology.client, "kpktgend_0", "rem_device_all")
    topology.director.ip("route del blackhole 10.1.0.0/16")


@pytest.mark.limit(120)
def test_memory_does_not_grow_with_the_list(topology, director, many):
    made = director.counters()["fullnat_conn_new"]
    assert made > MANY * 0.9, f"{made} connections; is the client behind {DIRECTOR}?"
    rows = [row for row in director.adm("-Lnc").splitlines() if f"{VIP}:53" in row]
    assert len(rows) >= made
    assert len(set(rows)) == len(rows)
    listed = json.loads(director.adm("-Lnc", "--json"))["connections"]
    assert sum(row["virtual"] == {"address": VIP, "port": 53} for row in listed) >= made
    for words, least in many.items():
        # To keep them would take 100 bytes each and more.
        assert works_within(director, least + 1000, *words), words
