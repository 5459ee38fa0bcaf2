"""The points at which a process can be struck: every line of a package, and every return to it.

It exists so that a fault can be put between any two things that a piece of code does, one run per place.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

Trace = Callable[[FrameType, str, Any], Any]


class Points:
    """Counts the points of some directories' code, and acts when one is reached.

    A point is a call into a function of theirs, a line of it that is about to run, and the moment at which a
    function of somebody else's that it has called returns or raises, before the result is used. Threads that
    are started meanwhile count too.

    :param roots: the directories
    :param at: the number of the point at which to act, from 1; ``None`` for none
    :param act: told what the point is; called in the thread that has reached it
    :param passed: takes every point, where they are wanted
    """

    def __init__(
        self,
        roots: tuple[Path, ...],
        *,
        at: int | None,
        act: Callable[[str], None],
        passed: list[str] | None = None,
    ) -> None:
        self._prefixes = tuple(f"{root}/" for root in roots)
        self._at = at
        self._act = act
        self._known: dict[CodeType, bool] = {}
        self._numbers = itertools.count(1)
        self._passed = passed

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count while the block runs."""
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Trace | None:
        if self._is_ours(frame.f_code):
            self._reach(frame, "call of")
            return self._in_ours
        if frame.f_back is not None and self._is_ours(frame.f_back.f_code):
            frame.f_trace_lines = False
            return self._in_theirs
        return None

    def _in_ours(self, frame: FrameType, event: str, _argument: Any) -> Trace:
        if event == "line":
            self._reach(frame, "line in")
        return self._in_ours

    def _in_theirs(self, frame: FrameType, event: str, _argument: Any) -> Trace:
        if event == "return" and frame.f_back is not None:
            self._reach(frame.f_back, f"return of {frame.f_code.co_name} to")
        return self._in_theirs

    def _is_ours(self, code: CodeType) -> bool:
        known = self._known.get(code)
        if known is None:
            known = self._known[code] = code.co_filename.startswith(self._prefixes)
        return known

    def _reach(self, frame: FrameType, what: str) -> None:
        number = next(self._numbers)
        if self._passed is not None:
            self._passed.append(_place(frame, what))
        if number == self._at:
            self._act(_place(frame, what))


def _place(frame: FrameType, what: str) -> str:
    code = frame.f_code
    file = "/".join(Path(code.co_filename).parts[-3:])
    return f"{file}:{frame.f_lineno}, {what} {code.co_name}"
