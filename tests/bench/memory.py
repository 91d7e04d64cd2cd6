# SPDX-License-Identifier: GPL-2.0
"""What memory connections take: the kernel's free memory before and after, and the slab caches that grew."""

import dataclasses
import subprocess
from pathlib import Path


@dataclasses.dataclass
class Memory:
    """Bytes in use, and of them by slab cache."""

    used: float
    caches: dict

    def since(self, before):
        """What has come since."""
        caches = {name: size - before.caches.get(name, 0) for name, size in self.caches.items()}
        return Memory(self.used - before.used, caches)

    def each(self, count):
        """Divided by so many, with the caches that have grown."""
        caches = {name: round(size / count, 1) for name, size in self.caches.items() if size / count >= 1}
        return Memory(self.used / count, caches)


def _slabs():
    for line in Path("/proc/slabinfo").read_text(encoding="ascii").splitlines()[2:]:
        name, active, total, size, per_slab, pages = line.split()[:6]
        yield name, int(active), -(-int(total) // int(per_slab)) * int(pages) * 4096, int(size)


def now():
    """Memory as it is, without what the page cache can give back."""
    subprocess.run(["sync"], check=True)
    Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
    lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    info = {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines}
    free = sum(info[name] for name in ("MemFree", "Buffers", "Cached", "AnonPages"))
    return Memory(info["MemTotal"] - free, {name: size for name, _, size, _ in _slabs()})


def connections():
    """How many connections of IPVS there are, in all namespaces."""
    return sum(active for name, active, _, _ in _slabs() if name == "ip_vs_conn")
