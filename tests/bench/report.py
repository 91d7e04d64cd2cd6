# SPDX-License-Identifier: GPL-2.0
"""The figures as a table and as JSON, and what was to be reached."""

import dataclasses
import json
from pathlib import Path

# What is to be reached; see docs/bench.md.
PER_PACKET, PER_CONNECTION, GROWTH, MEMORY = 1.0, 0.7, 1.1, 512
HIT, FRAME, MISS = 1450, 300, 130
REFERENCE = "ipvs/udp4/request/1"
# A connection with toa.ko, compared with one without.
ACCEPTED = {"plain": 1.03, "option": 1.07}
# What uoa.ko adds to a datagram that it has nothing to do with.
UNCONCERNED = 100


@dataclasses.dataclass
class Row:
    """One figure. `name` is set-up/kind/direction/flows, set-up/kind/connection, set-up/kind/bulk,
    ingress/kind/refresh/direction, ingress/miss/what, or xdp/miss/what."""

    name: str
    title: str
    total: float
    floor: float
    memory: dict | None = None
    refresh_share: float | None = None
    parts: dict | None = None
    packets: dict | None = None
    target: str = ""
    reached: bool | None = None

    @property
    def net(self):
        """What the director costs."""
        return self.total - self.floor


class Report:
    """Rows in the order in which they were measured."""

    def __init__(self, unit):
        self.unit = unit
        self.rows = {}
        self.notes = []

    def add(self, name, title, count, memory=None, parts=None, packets=None):
        """Take a figure and show it at once."""
        row = self.rows[name] = Row(name, title, count.total, count.floor, memory, count.refresh_share, parts,
                                    packets)
        self._judge(row)
        print(self._line(row), flush=True)

    def _judge(self, row):
        """Compare a FullNAT row with what it is to reach, as far as what it is compared with was measured."""
        setup, kind, what, *flows = row.name.split("/") + [""] * 2
        if setup == "toa":
            self._aim(row, f"accept/tcp4/{what}", ACCEPTED[what], "that without toa.ko")
            return
        if setup == "uoa" and what in ("empty", "stranger", "known") or setup == "uoa-transparent" and \
                what in ("empty", "stranger"):
            self._limit(row, UNCONCERNED)
            return
        if setup not in ("fullnat", "ingress", "xdp") or what in ("refresh", "bulk"):
            return
        if kind == "miss":
            self._limit(row, MISS)
        elif setup == "xdp":
            self._limit(row, FRAME)
        elif setup == "ingress" and what != "connection":
            self._limit(row, HIT)
        elif what == "connection":
            self._aim(row, "ipvs-masquerade/tcp4/connection", PER_CONNECTION, "IPVS NAT + conntrack + masquerade")
        elif flows[0] == "1":
            self._aim(row, REFERENCE, PER_PACKET, "IPVS NAT")
        else:
            self._aim(row, f"fullnat/{kind}/{what}/1", GROWTH, "one flow")

    def _aim(self, row, other, factor, word):
        if other in self.rows:
            row.target = f"<= {factor} x {word}"
            row.reached = row.net <= factor * self.rows[other].net

    def _limit(self, row, most):
        if self.unit == "instruction":
            row.target = f"<= {most}"
            row.reached = row.net <= most

    def judge_memory(self, name):
        """The same for bytes per connection."""
        row = self.rows[name]
        reached = row.memory["total"] <= MEMORY
        self.notes.append((f"memory per connection, {row.title}", row.memory["total"], f"<= {MEMORY} bytes", reached))

    def ratio(self, row):
        """Compared with IPVS NAT: packets with its UDP requests, connections with its connections. A program's run is
        no packet's whole way, and a server's datagram is not forwarded."""
        if row.name.endswith("/bulk"):
            reference = "ipvs/tcp4/bulk"
            return row.net / self.rows[reference].net if reference in self.rows and row.floor else None
        if row.name.startswith(("xdp", "bpf", "receive", "uoa")):
            return None
        if row.name.startswith(("toa/", "accept/")):
            reference = f"accept/tcp4/{row.name.rpartition('/')[2]}"
            return row.net / self.rows[reference].net if reference in self.rows else None
        reference = "ipvs/tcp4/connection" if row.name.endswith("/connection") else REFERENCE
        return row.net / self.rows[reference].net if reference in self.rows else None

    @staticmethod
    def heading():
        """The line above the rows."""
        return f"{'':54} {'total':>8} {'net':>8} {'/ IPVS NAT':>10}  target"

    def _line(self, row):
        ratio = self.ratio(row)
        shown = f"{ratio:10.2f}" if ratio is not None else f"{'':10}"
        verdict = "" if row.reached is None else f"{row.target}: {'met' if row.reached else 'MISSED'}"
        memory = f"  {row.memory['total']:.0f} bytes per connection" if row.memory else ""
        seen = f"  {self._packets(row.packets)}" if row.packets else ""
        return f"{row.title:54} {row.total:8.0f} {row.net:8.0f} {shown}  {verdict}{memory}{seen}".rstrip()

    @staticmethod
    def _packets(packets):
        """In how many packets a path saw a transfer, and of how many frames; wherever the director counts them."""
        ways = sum(packets.get(f"{way}_packets", 0) for way in ("request", "reply"))
        seen = packets.get("packets", ways)
        frames = f"{packets['request_frames'] + packets['reply_frames']:,} frames"
        return f"{seen:,} packets of {frames}" if seen else frames

    def show(self):
        """The whole table, and the summary."""
        print(f"\n{self.unit}s per packet (or whole connection), net of the floor\n\n{self.heading()}")
        for row in self.rows.values():
            print(self._line(row))
        for what, value, target, reached in self.notes:
            print(f"{what}: {value:.0f} ({target}: {'met' if reached else 'MISSED'})")
        verdicts = [row.reached for row in self.rows.values()] + [note[3] for note in self.notes]
        print(f"\n{verdicts.count(True)} targets met, {verdicts.count(False)} missed")

    def write(self, path, facts):
        """The same as JSON."""
        rows = []
        for row in self.rows.values():
            ratio = self.ratio(row)
            entry = {
                "name": row.name, "title": row.title, f"{self.unit}s_per_packet": round(row.net, 1),
                "total": round(row.total, 1), "floor": round(row.floor, 1),
                "ratio_to_ipvs_nat": None if ratio is None else round(ratio, 3),
            }
            if row.name.endswith("/connection"):
                entry[f"{self.unit}s_per_connection"] = entry.pop(f"{self.unit}s_per_packet")
            if row.parts:
                entry |= {f"{self.unit}s_per_connection": entry.pop(f"{self.unit}s_per_packet"), "parts": row.parts}
                entry["ratio_to_accept"] = entry.pop("ratio_to_ipvs_nat")
            if row.packets:
                entry[f"{self.unit}s_per_megabyte"] = entry.pop(f"{self.unit}s_per_packet")
                entry["packets"] = row.packets
            if row.memory:
                entry["bytes_per_connection"] = row.memory
            if row.refresh_share is not None:
                entry["refresh_share"] = row.refresh_share
            if row.reached is not None:
                entry |= {"target": row.target, "reached": row.reached}
            rows.append(entry)
        notes = [dict(zip(("name", "value", "target", "reached"), note, strict=True)) for note in self.notes]
        text = json.dumps({**facts, "unit": self.unit, "rows": rows, "other": notes}, indent=2)
        Path(path).write_text(text + "\n", encoding="utf-8")
