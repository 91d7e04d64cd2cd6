# SPDX-License-Identifier: GPL-2.0
"""The four pairs of families of a client and its real server, on the usual topology with IPv6 beside IPv4."""

import dataclasses

from .six import CLIENT6
from .six import LOCAL6
from .six import SERVER6
from .six import VIP6
from .topology import CLIENT
from .topology import LOCAL
from .topology import SERVERS
from .topology import VIP


def end(address, port):
    """An address with a port, as one types it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A client, the virtual address it speaks to, and the local address from which its real server is asked."""

    name: str
    client: str
    vip: str
    local: str
    server: str

    def service(self, kind, port=80):
        """The words that name its service."""
        return f"{kind} {end(self.vip, port)}"

    def rules(self, kind, port=80, scheduler="rr", rport=None):
        """The lines that make its service."""
        service = self.service(kind, port)
        return [
            f"-A {service} -s {scheduler}", f"-P {service} -z {self.local}",
            f"-a {service} -r {end(self.server, rport or port)} -b",
        ]

    @property
    def families(self):
        """The client's and the real server's family."""
        return int(self.name[0]), int(self.name[1])


CELLS = {
    cell.name: cell for cell in (
        Cell("44", CLIENT, VIP, LOCAL, SERVERS[0]),
        Cell("66", CLIENT6, VIP6, LOCAL6, SERVER6),
        Cell("64", CLIENT6, VIP6, LOCAL, SERVERS[0]),
        Cell("46", CLIENT, VIP, LOCAL6, SERVER6),
    )
}
