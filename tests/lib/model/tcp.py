# SPDX-License-Identifier: GPL-2.0
"""What is remembered of a TCP connection: IPVS's state, and the director's story of both ends."""

import dataclasses

SYN, FIN, ACK, RST, PSH = 2, 1, 16, 4, 8
CLOSE, TIME_WAIT = 6, 5
_MASK = 0xFFFFFFFF

# Next states by IPVS's numbers, for a SYN, FIN, ACK and RST; by what came, from which side.
_REQUEST = {
    SYN: (3, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3), FIN: (6, 7, 2, 5, 5, 5, 6, 7, 8, 9, 5),
    ACK: (1, 1, 2, 1, 4, 5, 6, 7, 6, 9, 1), RST: (6, 6, 6, 3, 6, 6, 6, 6, 8, 9, 3),
}
_REPLY = {
    SYN: (2, 1, 2, 3, 2, 2, 2, 2, 2, 9, 3), FIN: (5, 4, 2, 5, 4, 5, 6, 5, 8, 9, 5),
    ACK: (1, 1, 2, 1, 4, 5, 6, 7, 8, 1, 1), RST: (6, 6, 2, 6, 6, 5, 6, 6, 6, 6, 6),
}


def after(a, b):
    """Whether number a comes after b."""
    return 0 < (a - b & _MASK) < 1 << 31


def next_state(state, flags, is_reply):
    """IPVS's next state."""
    table = _REPLY if is_reply else _REQUEST
    for flag in (RST, SYN, FIN, ACK):
        if flags & flag:
            return table[flag][state]
    return state


@dataclasses.dataclass
class Story:
    """One connection, until it begins anew."""

    isn: int = 0
    shift: int = 0
    expects: int = 0          # What the server acknowledged last, in its numbers.
    first_byte: int | None = None
    introducing: bool = False
    fast_opened: bool = False  # The server had data of the client's before its SYN-ACK.
    closed: set = dataclasses.field(default_factory=set)

    @property
    def last(self):
        """What the server may remember."""
        return None if self.first_byte is None else self.expects

    def is_alive(self):
        """Whether the server has answered and not both ends have closed."""
        return self.first_byte is not None and self.closed != {"client", "server"}

    def begins_anew(self, isn):
        """Whether a SYN begins another connection."""
        return isn != self.isn and not self.is_alive()

    def begin(self, isn, shift):
        """A connection begins, shifted by so much."""
        self.__init__(isn, shift, isn + shift & _MASK)

    def request(self, flags, ack):
        """A segment of the client that is not a SYN; whether it carries the client's address."""
        if flags & (FIN | RST):
            self.closed.add("client")
        if flags & RST or not self.introducing:
            return False
        if after(ack, self.first_byte) or self.server_has_data() and not self.fast_opened:
            self.introducing = False
        return self.introducing and ack == self.first_byte

    def server_has_data(self):
        """Whether the server has acknowledged more than a SYN."""
        return after(self.expects, self.isn + self.shift + 1 & _MASK)

    def reply(self, flags, seq, ack, introduces):
        """A segment of the server."""
        if flags & ACK and after(ack, self.expects):
            self.expects = ack
        if flags & RST:
            self.closed = {"client", "server"}
        elif flags & FIN:
            self.closed.add("server")
        elif flags & SYN and flags & ACK:
            self.first_byte, self.introducing, self.closed = seq + 1 & _MASK, introduces, set()
            self.fast_opened = self.server_has_data()
