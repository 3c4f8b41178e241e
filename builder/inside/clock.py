"""A clock that stands still, for programs of an old system that take the time of day and can not be told another.

It is a shared object for LD_PRELOAD that defines `time` alone and needs nothing, not even a C library: so the loader of
any Linux on x86-64 takes it, that of 2006 too. rpm took install times from SOURCE_DATE_EPOCH only from 4.17 on; before,
it asked `time`. Sources: System V ABI, "Object Files" and "Dynamic Linking"; its AMD64 supplement, 3.2 (calls).
"""

from __future__ import annotations

import struct

HEADER, PROGRAM_HEADER, SYMBOL, DYNAMIC = 64, 56, 24, 16
SHARED, X86_64 = 3, 62
LOAD, DYNAMIC_SEGMENT, STACK = 1, 2, 0x6474E551
READ, WRITE, RUN = 4, 2, 1
HASH, STRINGS, SYMBOLS, STRINGS_SIZE, SYMBOL_SIZE = 4, 5, 6, 10, 11
"""Tags of the dynamic section."""
GLOBAL_FUNCTION, TEXT_SECTION = 0x12, 1
PAGE = 0x1000


def still_clock(epoch: int) -> bytes:
    """Give the shared object whose `time` always is `epoch`, in seconds since 1970."""
    code = (
        b"\x48\xb8" + struct.pack("<q", epoch)  # mov rax, epoch
        + b"\x48\x85\xff"  # test rdi, rdi
        + b"\x74\x03"  # jz: nobody wants it stored
        + b"\x48\x89\x07"  # mov [rdi], rax
        + b"\xc3"  # ret
    )  # fmt: skip
    strings = b"\0time\0"
    segments = 3
    symbols_at = HEADER + segments * PROGRAM_HEADER
    hash_at = symbols_at + 2 * SYMBOL
    table = struct.pack("<6I", 1, 2, 1, 0, 0, 0)  # one bucket, which holds symbol 1, the only one beside the null one
    dynamic_at = hash_at + len(table)
    dynamic = b"".join(
        struct.pack("<qQ", tag, value)
        for tag, value in (
            (HASH, hash_at),
            (STRINGS, dynamic_at + 6 * DYNAMIC),
            (SYMBOLS, symbols_at),
            (STRINGS_SIZE, len(strings)),
            (SYMBOL_SIZE, SYMBOL),
            (0, 0),
        )
    )
    code_at = -(-(dynamic_at + len(dynamic) + len(strings)) // 16) * 16
    size = code_at + len(code)
    symbols = bytes(SYMBOL) + struct.pack("<IBBHQQ", 1, GLOBAL_FUNCTION, 0, TEXT_SECTION, code_at, len(code))
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", SHARED, X86_64, 1, 0, HEADER, 0, 0, HEADER, PROGRAM_HEADER, segments, 0, 0, 0
    )
    # the loader writes into the dynamic section, so the one segment is writable
    segment = "<IIQQQQQQ"
    headers = (
        struct.pack(segment, LOAD, READ | WRITE | RUN, 0, 0, 0, size, size, PAGE)
        + struct.pack(segment, DYNAMIC_SEGMENT, READ | WRITE, *(dynamic_at,) * 3, *(len(dynamic),) * 2, 8)
        + struct.pack(segment, STACK, READ | WRITE, 0, 0, 0, 0, 0, 16)
    )
    return (head + headers + symbols + table + dynamic + strings).ljust(code_at, b"\0") + code
