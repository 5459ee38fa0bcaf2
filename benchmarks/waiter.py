"""A process that waits like a triggerer: one event loop, and a task of its own for every trigger.

``python -m benchmarks.waiter`` reads orders from its standard input and answers each on its standard output,
both one line of JSON. It needs no Airflow server: connections are in its environment. What triggers log is
rendered as Airflow's triggerer does, and thrown away.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import psutil
import structlog

_BEAT_SECONDS = 0.01


class Heart:
    """Beats every 10 ms, and remembers how late: for so long nothing else could run on the loop."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Forget what was."""
        self.worst_seconds = 0.0
        self.late_beats = 0

    async def beat(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT_SECONDS
            await asyncio.sleep(_BEAT_SECONDS)
            late = loop.time() - due
            self.worst_seconds = max(self.worst_seconds, late)
            self.late_beats += late > 0.05


class Lines:
    """How late the lines of jobs stand in the log, and how many have come."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.last_at = 0.0

    def __call__(self, _logger: Any, _method: str, event: Any) -> Any:
        """Look at a record on its way into the log; lines of jobs carry the job's time and stream."""
        if event.get("stream") in ("stdout", "stderr"):
            self.last_at = time.time()
            written_at = datetime.fromisoformat(str(event["timestamp"]).replace("Z", "+00:00")).timestamp()
            self.delays.append(self.last_at - written_at)
        return event


class Waiter:
    """The triggers that wait here, and what has become of them."""

    def __init__(self) -> None:
        self._heart = Heart()
        self._lines = Lines()
        self._events: list[tuple[str, float, bool]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._process = psutil.Process()
        self._marked = (0.0, 0.0)

    async def serve(self, orders: asyncio.Queue[dict[str, Any]], answers: IO[str]) -> None:
        """Follow orders until one says stop."""
        log_to_nowhere(self._lines)
        heart = asyncio.create_task(self._heart.beat())
        while (order := await orders.get())["do"] != "stop":
            answer = getattr(self, f"do_{order.pop('do')}")(**order)
            answers.write(json.dumps(await answer if asyncio.iscoroutine(answer) else answer) + "\n")
            answers.flush()
        heart.cancel()

    async def do_add(self, file: str, first: int, count: int) -> dict[str, Any]:
        """Begin to wait with these triggers of a file, as a triggerer does with those of its database."""
        for line in _lines(file, first, count):
            task = asyncio.create_task(self._wait(*_made(**json.loads(line))))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)
        return {"waiting": len(self._tasks)}

    def do_memory(self) -> dict[str, Any]:
        """Say how much memory the process has."""
        gc.collect()
        return {"rss_kib": self._process.memory_info().rss / 1024, "threads": threading.active_count()}

    def do_mark(self) -> dict[str, Any]:
        """Measure from now on."""
        self._heart.start()
        self._marked = (time.process_time(), time.perf_counter())
        return {}

    def do_read(self) -> dict[str, Any]:
        """Say what was measured since."""
        cpu, wall = time.process_time() - self._marked[0], time.perf_counter() - self._marked[1]
        return {
            "cpu_percent": 100 * cpu / wall,
            "seconds": wall,
            "loop_block_max_seconds": self._heart.worst_seconds,
            "late_beats": self._heart.late_beats,
        }

    def do_events(self, since: int) -> dict[str, Any]:
        """Tell the events from this number on: which job, when, and whether it says success."""
        return {"events": self._events[since:]}

    def do_lines(self) -> dict[str, Any]:
        """Say how late each line was that has come, in order, and when the last one came."""
        return {"delays": self._lines.delays, "last_at": self._lines.last_at}

    async def _wait(self, key: str, trigger: Any) -> None:
        try:
            async for event in trigger.run():
                self._events.append((key, time.time(), is_success(event)))
        except Exception as error:  # noqa: BLE001 - whatever it is, Airflow fails the task
            print(f"{key}: {error!r}", file=sys.stderr)
            self._events.append((key, time.time(), False))


def _lines(file: str, first: int, count: int) -> Iterator[str]:
    """Yield lines one by one, so that no text of a trigger stays in memory."""
    with Path(file).open() as lines:
        yield from islice(lines, first, first + count)


def _made(key: str, trigger: str, arguments: Mapping[str, Any]) -> tuple[str, Any]:
    """Return a job's key and its trigger; as in Airflow, nobody keeps the arguments while it waits."""
    return key, make_trigger(trigger, arguments)


def make_trigger(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return the trigger of this class."""
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(module), kind)(**arguments)


def is_success(event: Any) -> bool:
    """Return whether an event, ours or an official one, says that the job has succeeded."""
    from airflow.triggers.base import TaskSuccessEvent

    if isinstance(event, TaskSuccessEvent):
        return True
    payload = event.payload
    return isinstance(payload, dict) and str(payload.get("status")).lower() == "success"


def log_to_nowhere(lines: Lines) -> None:
    """Render all records as JSON from INFO on, as Airflow does, into the null device."""
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process lives
    handler = logging.StreamHandler(nowhere)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ]
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    structlog.configure(
        processors=[
            lines,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(nowhere),
    )


def _read_orders(
    lines: Iterator[str], loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[dict[str, Any]]
) -> None:
    for line in lines:
        loop.call_soon_threadsafe(orders.put_nowait, json.loads(line))
    # Whoever gave orders is gone.
    loop.call_soon_threadsafe(orders.put_nowait, {"do": "stop"})


async def _main(answers: IO[str]) -> None:
    import airflow.triggers.base  # noqa: F401 - as a triggerer has it

    orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    arguments = (iter(sys.stdin), asyncio.get_running_loop(), orders)
    threading.Thread(target=_read_orders, args=arguments, daemon=True).start()
    await Waiter().serve(orders, answers)


if __name__ == "__main__":
    # What imports print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asyncio.run(_main(answers))
    answers.flush()
    os._exit(0)  # threads under way are not waited for
