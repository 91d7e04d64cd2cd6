# SPDX-License-Identifier: GPL-2.0
"""Instructions per whole connection: SYN, SYN-ACK, ACK, FIN, FIN, ACK, each connection a new one.

This program is both ends, packet by packet, so that no host's TCP is counted. The server answers to the address that
it sees, which only the director knows. The same program against a director that redirects frames unchanged gives its
own share; what the six packets cost on that way is added again, so that the floor is that of the packets.
"""

import gc
import statistics
import time

from .counting import Bench
from .counting import settle
from .flow import CLIENT_ISN
from .flow import SERVER_ISN
from .flow import Flow
from .flow import Wrong
from .network import Sender
from .network import Tap
from .setups import KINDS
from .setups import SETUPS

_SLICE, _SLICES = 200, 9
# The stock set-up drops a packet of a new connection now and then, reason unknown; its other slices are as good.
_LOSES, _MAY_LOSE = "ipvs-masquerade", 2
_PROVEN = 20
_FIRST_PORT = 2000
# Of each packet: the client sends it, flags, sequence number, acknowledgement.
_EXCHANGE = (
    (True, "S", CLIENT_ISN, 0),
    (False, "SA", SERVER_ISN, CLIENT_ISN + 1),
    (True, "A", CLIENT_ISN + 1, SERVER_ISN + 1),
    (True, "FA", CLIENT_ISN + 1, SERVER_ISN + 1),
    (False, "FA", SERVER_ISN + 1, CLIENT_ISN + 2),
    (True, "A", CLIENT_ISN + 2, SERVER_ISN + 2),
)
_SERVER = (("SA", SERVER_ISN, CLIENT_ISN + 1), ("FA", SERVER_ISN + 1, CLIENT_ISN + 2))


def _template(setup):
    """The server's frames for a client that is not known yet, and the sums of their checksums without its ends."""
    flow = Flow(setup, KINDS["tcp4"], ("0.0.0.0", 0), ("0.0.0.0", 0))
    frames = [flow.reply(flags, seq, ack, b"") for flags, seq, ack in _SERVER]
    return [(f[:24], f[26:30], f[34:36], f[38:50], f[52:], 0xFFFF ^ int.from_bytes(f[24:26]),
             0xFFFF ^ int.from_bytes(f[50:52])) for f in frames]


def _answer(template, ends):
    """A frame of the server to the address and port, six bytes, that it sees."""
    head, source, port, middle, tail, header, segment = template
    high, low, dport = int.from_bytes(ends[:2]), int.from_bytes(ends[2:4]), int.from_bytes(ends[4:])
    header, segment = header + high + low, segment + high + low + dport
    header, segment = (header & 0xFFFF) + (header >> 16), (segment & 0xFFFF) + (segment >> 16)
    header, segment = (header & 0xFFFF) + (header >> 16), (segment & 0xFFFF) + (segment >> 16)
    return b"".join((head, (header ^ 0xFFFF).to_bytes(2), source, ends[:4], port, ends[4:], middle,
                     (segment ^ 0xFFFF).to_bytes(2), tail))


class Whole:
    """Whole connections through a set-up, in namespaces of its own."""

    def __init__(self, name):
        self.setup = SETUPS[name]
        self.bench = Bench(self.setup, KINDS["tcp4"])
        network = self.bench.network
        self.ends = [Sender(network.gen, "g0"), Sender(network.sink, "s0"), Tap(network.sink, "s0"),
                     Tap(network.gen, "g0")]
        self.template = _template(self.setup)

    def prove(self):
        """Look at every packet of the first connections."""
        client, server, sink, gen = self.ends
        for number in range(_PROVEN):
            flow = self._flow(number)
            for from_client, flags, seq, ack in _EXCHANGE:
                if from_client:
                    client.send(flow.request(flags, seq, ack, b""))
                    packets, check = sink.read(), flow.check_request
                else:
                    source, port = flow.seen
                    ends = bytes(map(int, source.split("."))) + port.to_bytes(2)
                    frame = _answer(self.template[flags == "FA"], ends)
                    if frame != flow.reply(flags, seq, ack, b""):
                        raise Wrong("the server's frame is not what it should be")
                    server.send(frame)
                    packets, check = gen.read(), flow.check_reply
                if len(packets) != 1:
                    raise Wrong(f"{self.setup.title}: {len(packets)} packets of one {flags} arrived")
                check(packets[0])

    def _flow(self, number):
        return Flow(self.setup, KINDS["tcp4"], ("10.1.0.2", _FIRST_PORT + number))

    def measure(self):
        """Run through the connections and return what one takes: the median of slices, so that what the kernel does
        once, such as making a table grow, is not charged to the few connections of this run."""
        self._run(self._frames(_PROVEN, _SLICE))
        settle()
        slices = [self._frames(_PROVEN + _SLICE * number, _SLICE) for number in range(1, _SLICES + 1)]
        times = [self._time(frames) for frames in slices]
        whole = [time for time in times if time is not None]
        lost = _SLICES - len(whole)
        if lost > (_MAY_LOSE if self.setup.name == _LOSES else 0):
            raise Wrong(f"{self.setup.title}: packets were lost in {lost} of {_SLICES} slices")
        if lost:
            print(f"{self.setup.title}: packets were lost in {lost} of {_SLICES} slices: left out", flush=True)
        return statistics.median(whole) / _SLICE

    def _time(self, frames):
        """What a slice takes; None if a packet did not arrive."""
        gc.collect()
        gc.disable()
        start = time.perf_counter_ns()
        try:
            self._run(frames)
        except BlockingIOError:
            for tap in self.ends[2:]:
                tap.read()
            return None
        finally:
            gc.enable()
        return time.perf_counter_ns() - start

    def _frames(self, first, count):
        return [
            [flow.request(flags, seq, ack, b"") for from_client, flags, seq, ack in _EXCHANGE if from_client]
            for flow in map(self._flow, range(first, first + count))
        ]

    def _run(self, connections):
        """A packet that does not come ends the program."""
        client, server = (end.send for end in self.ends[:2])
        sink, gen = (end.receive for end in self.ends[2:])
        syn_ack, fin = self.template
        for syn, ack, client_fin, last in connections:
            client(syn)
            packet = sink(200)
            ends = packet[26:30] + packet[34:36]
            server(_answer(syn_ack, ends))
            gen(200)
            client(ack)
            sink(200)
            client(client_fin)
            sink(200)
            server(_answer(fin, ends))
            gen(200)
            client(last)
            sink(200)

    def close(self):
        """Take everything away."""
        for end in self.ends:
            end.close()
        self.bench.close()


def measure(name):
    """What a whole connection costs through a set-up, this program's own share included."""
    whole = Whole(name)
    whole.prove()
    result = whole.measure()
    whole.close()
    return result


def floor(wire):
    """This program's own share, without what the redirection adds to six packets."""
    return wire[0] - len(_EXCHANGE) * wire[1].net
