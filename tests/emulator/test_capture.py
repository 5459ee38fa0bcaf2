from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.emulator.capture import MAX_PIECE_BYTES, LineSplitter, Piece


def split(chunks: list[bytes], **options: int) -> list[Piece]:
    splitter = LineSplitter(**options)
    pieces = list(itertools.chain.from_iterable(splitter.feed(chunk) for chunk in chunks))
    return [*pieces, *splitter.finish()]


def test_lines_come_out_without_their_ends_and_the_last_one_needs_none():
    assert [piece.text for piece in split([b"one\ntw", b"o\r\n\nthree"])] == ["one", "two", "", "three"]


@settings(deadline=None)
@given(st.text(alphabet="ab\nüñ€😀", max_size=200), st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_how_the_bytes_are_cut_into_chunks_makes_no_difference(text: str, sizes: list[int]):
    data = text.encode()
    chunks, rest = [], data
    for size in itertools.cycle(sizes):
        if not rest:
            break
        chunks.append(rest[:size])
        rest = rest[size:]
    assert split(chunks) == split([data])


def test_a_line_that_is_too_long_is_split_and_nothing_of_it_is_lost():
    pieces = split([b"x" * 25 + b"\nshort\n"], max_piece_bytes=10)
    assert [(piece.text, piece.part, piece.last) for piece in pieces] == [
        ("x" * 10, 0, False),
        ("x" * 10, 1, False),
        ("x" * 5, 2, True),
        ("short", 0, True),
    ]


def test_a_split_never_goes_through_a_character():
    pieces = split(["€".encode() * 10 + b"\n"], max_piece_bytes=10)
    assert "".join(piece.text for piece in pieces) == "€" * 10
    assert all(len(piece.text.encode()) <= 10 for piece in pieces)


def test_bytes_that_are_no_text_become_replacement_characters():
    assert [piece.text for piece in split([b"\xff\xfeok\n"])] == ["\ufffd\ufffdok"]


def test_an_endless_line_is_never_held_whole():
    splitter = LineSplitter()
    given_out = 0
    for _ in range(200):
        given_out += sum(len(piece.text) for piece in splitter.feed(b"y" * 65536))
    assert 200 * 65536 - given_out <= MAX_PIECE_BYTES
