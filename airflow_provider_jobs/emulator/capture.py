"""Bytes from a pipe into timestamped lines, however long and however badly encoded.

It exists so that a job that prints one endless line, or bytes that are no text, cannot exhaust the server.
It must not store lines or know whose they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: A log entry holds at most 256 KiB; longer lines are split, as
#: https://docs.cloud.google.com/logging/quotas#log-limits and LogEntry.split describe. A KiB is left for the
#: rest of the entry.
MAX_PIECE_BYTES = 255 * 1024
_CHUNK_BYTES = 16 * 1024


class Piece(NamedTuple):
    """A line, or a part of one that was too long. ``part`` counts from 0; ``last`` ends the line."""

    text: str
    part: int = 0
    last: bool = True


class LineSplitter:
    """Cuts a byte stream into pieces, holding back at most one piece of unfinished line."""

    def __init__(self, *, max_piece_bytes: int = MAX_PIECE_BYTES) -> None:
        self._max = max_piece_bytes
        self._held = bytearray()
        self._part = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take bytes in, give whole lines out (without their line ends)."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._held += line
            yield from self._overflow()
            yield self._emit(self._held.removesuffix(b"\r"), last=True)
        self._held += rest
        yield from self._overflow()

    def finish(self) -> Iterator[Piece]:
        """The stream has ended: give out what is left, if anything."""
        if self._held or self._part:
            yield self._emit(self._held, last=True)

    def _overflow(self) -> Iterator[Piece]:
        while len(self._held) > self._max:
            cut = self._max
            while cut > self._max - 4 and self._held[cut] & 0xC0 == 0x80:
                cut -= 1
            rest = self._held[cut:]
            yield self._emit(self._held[:cut], last=False)
            self._held = rest

    def _emit(self, data: bytes | bytearray, *, last: bool) -> Piece:
        piece = Piece(data.decode("utf-8", errors="replace"), self._part, last)
        self._held = bytearray()
        self._part = 0 if last else self._part + 1
        return piece


async def capture(reader: asyncio.StreamReader, write: Callable[[Piece], None]) -> None:
    """Pass every line of the stream to ``write`` as it arrives, until the stream ends."""
    splitter = LineSplitter()
    while data := await reader.read(_CHUNK_BYTES):
        for piece in splitter.feed(data):
            write(piece)
        # A reader that has data does not wait; others must get their turn all the same.
        await asyncio.sleep(0)
    for piece in splitter.finish():
        write(piece)
