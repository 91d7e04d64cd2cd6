# SPDX-License-Identifier: GPL-2.0
"""The wires of a cluster: a client, a director and a real server, each with a network card of every model.

    client --- wan director lan --- server        a pair of wires for each model of card
    client ------- director ------- server        one-arm: a single wire for all three

Wires are socket pairs between the QEMU processes, which can carry one queue of finished frames. Models with "taps" are
joined by a bridge of the host's kernel instead, in a network namespace that ends with this program: these have several
queues, and checksums and segments that are finished by whoever needs them, as between machines of one host.
"""

import ctypes
import fcntl
import os
import socket
import struct

ROLES = ("client", "director", "server")
TUN = "/dev/net/tun"

# Native XDP wants a queue of its own for each processor, beside the processor's usual one.
QUEUES = 4
MTU = 9216  # Of a tap and its bridge, for jumbo frames.

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_MULTI_QUEUE, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x0100, 0x1000, 0x4000
_SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCGIFINDEX = 0x8914, 0x8922, 0x8933
_SIOCBRADDBR, _SIOCBRADDIF = 0x89A0, 0x89A2
_IFF_UP = 1
_CLONE_NEWNET = 0x40000000

CARDS = {
    "virtio": {"device": "virtio-net-pci"},
    # A vector for each direction of each queue, one for control, one for the configuration.
    "virtio-mq": {"device": f"virtio-net-pci,mq=on,vectors={2 * QUEUES + 2}", "taps": True},
    "e1000e": {"device": "e1000e"},
    "igb": {"device": "igb"},
    "one-arm": {"device": "virtio-net-pci", "arms": 1},
}


class Part:
    """What a machine of a cluster has beside the usual: QEMU's options, descriptors, words for the kernel.

    A machine alone has no role, and nothing of all that.
    """

    def __init__(self, role=""):
        self.role = role
        # A chipset with PCI Express, which igb needs.
        self.options = ["-machine", "q35"] if role else []
        self.fds = []
        self.words = [f"rsipvs.role={role}"] if role else []
        self._numbers = 0

    def pass_on(self, fd):
        """Let QEMU inherit a descriptor; its number."""
        self.fds.append(fd)
        return fd

    def name(self, kind):
        """A name that no other object of this QEMU has."""
        self._numbers += 1
        return f"{kind}{self._numbers}"

    def port(self, name, sock):
        """A virtio port whose other end is another machine's."""
        chardev = self.name("peer")
        self.options += [
            "-chardev", f"socket,id={chardev},fd={self.pass_on(sock.detach())}",
            "-device", f"virtserialport,chardev={chardev},name={name}",
        ]

    def socket_netdev(self, sock):
        """A network back end at one end of a socket pair; its name."""
        netdev = self.name("wire")
        self.options += ["-netdev", f"socket,id={netdev},fd={self.pass_on(sock.detach())}"]
        return netdev

    def hub(self, netdevs):
        """A back end for a card that shares a wire with those behind other back ends."""
        hub = self.name("hub")
        for netdev in netdevs:
            self.options += ["-netdev", f"hubport,id={self.name('hubport')},hubid=0,netdev={netdev}"]
        self.options += ["-netdev", f"hubport,id={hub},hubid=0"]
        return hub

    def taps(self, fds):
        """A back end of one tap device, one descriptor for each queue."""
        netdev = self.name("taps")
        self.options += ["-netdev", f"tap,id={netdev},fds={':'.join(str(self.pass_on(fd)) for fd in fds)}"]
        return netdev

    def card(self, device, netdev, interface):
        """A card; vm/init finds it by its address and names it."""
        self._numbers += 1
        mac = f"52:54:00:00:{ROLES.index(self.role):02x}:{self._numbers:02x}"
        # A slot of its own, with a bus behind it: igb's virtual functions take numbers far from the card's.
        slot = self.name("slot")
        self.options += [
            "-device", f"pcie-root-port,id={slot},chassis={self._numbers}",
            "-device", f"{device},bus={slot},netdev={netdev},mac={mac}",
        ]
        self.words.append(f"rsipvs.nic={interface}/{mac}")


class Bridges:
    """Bridges and taps in a network namespace of this process; both are gone when it is."""

    def __init__(self):
        # Programs of the host that manage its network do not see them.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.numbers = 0

    def _ioctl(self, request, interface, *values):
        packed = struct.pack("16si", interface.encode(), *values) if values else interface.encode() + b"\0"
        return fcntl.ioctl(self.socket, request, packed.ljust(40, b"\0"))

    def bridge(self):
        """Make a bridge; its name."""
        self.numbers += 1
        name = f"wire{self.numbers}"
        self._ioctl(_SIOCBRADDBR, name)
        self._ioctl(_SIOCSIFFLAGS, name, _IFF_UP)
        return name

    def tap(self, bridge):
        """Make a tap on a bridge; the descriptors of its queues."""
        self.numbers += 1
        name = f"tap{self.numbers}"
        fds = []
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_MULTI_QUEUE
        for _ in range(QUEUES):
            fds.append(os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            fcntl.ioctl(fds[-1], _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        self._ioctl(_SIOCSIFMTU, name, MTU)
        index = struct.unpack_from("i", self._ioctl(_SIOCGIFINDEX, name), 16)[0]
        self._ioctl(_SIOCBRADDIF, bridge, index)
        self._ioctl(_SIOCSIFFLAGS, name, _IFF_UP)
        return fds


def parts(cards):
    """The parts of a cluster with the named models of cards, the client first."""
    client, director, server = made = [Part(role) for role in ROLES]
    bridges = Bridges() if any(CARDS[name].get("taps") for name in cards) else None
    for other in (director, server):
        here, there = socket.socketpair()
        client.port(other.role, here)
        other.port("client", there)
    for name in cards:
        device = CARDS[name]["device"]
        if CARDS[name].get("arms") == 1:
            outer = [socket.socketpair() for _ in (client, server)]
            hub = director.hub([director.socket_netdev(inner) for _, inner in outer])
            director.card(device, hub, name)
            for part, (end, _) in zip((client, server), outer, strict=True):
                part.card(device, part.socket_netdev(end), name)
            continue
        for part, arm in ((client, "wan"), (server, "lan")):
            if CARDS[name].get("taps"):
                bridge = bridges.bridge()
                outer, inner = part.taps(bridges.tap(bridge)), director.taps(bridges.tap(bridge))
            else:
                ends = socket.socketpair()
                outer, inner = part.socket_netdev(ends[0]), director.socket_netdev(ends[1])
            part.card(device, outer, name)
            director.card(device, inner, f"{name}-{arm}")
    return made
