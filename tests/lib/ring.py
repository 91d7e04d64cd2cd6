# SPDX-License-Identifier: GPL-2.0
"""io_uring by its system calls, as far as one accept needs it."""

import ctypes
import mmap
import os
import struct

_SETUP, _ENTER = 425, 426
_OP_ACCEPT = 13
_GET_EVENTS = 1
_SQ_RING, _SQES = 0, 0x10000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _syscall(*arguments):
    result = _LIBC.syscall(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def accept(listening):
    """Accept a connection: its descriptor, and the bytes of the name that the kernel filled in."""
    parameters = ctypes.create_string_buffer(120)
    ring = _syscall(_SETUP, 4, parameters)
    entries, cq_entries = struct.unpack_from("=II", parameters, 0)
    sq_tail, _, _, _, _, sq_array = struct.unpack_from("=6I", parameters, 44)
    cq_head, cq_tail, _, _, _, cqes = struct.unpack_from("=6I", parameters, 80)
    name, length = ctypes.create_string_buffer(28), ctypes.c_uint32(28)
    try:
        size = max(sq_array + 4 * entries, cqes + 16 * cq_entries)
        with mmap.mmap(ring, size, offset=_SQ_RING) as rings, mmap.mmap(ring, 64 * entries, offset=_SQES) as sqes:
            # struct io_uring_sqe: operation, flags, priority, descriptor, addr2, addr, length, accept's flags.
            places = ctypes.addressof(length), ctypes.addressof(name)
            sqes[:32] = struct.pack("=BBHiQQII", _OP_ACCEPT, 0, 0, listening.fileno(), *places, 0, 0)
            struct.pack_into("=I", rings, sq_array, 0)
            struct.pack_into("=I", rings, sq_tail, 1)
            _syscall(_ENTER, ring, 1, 1, _GET_EVENTS, None, 0)
            head, tail = (struct.unpack_from("=I", rings, place)[0] for place in (cq_head, cq_tail))
            assert (head, tail) == (0, 1), "one completion"
            result, = struct.unpack_from("=i", rings, cqes + 8)
    finally:
        os.close(ring)
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result, name.raw[:length.value]
