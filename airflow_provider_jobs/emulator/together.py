"""Several commands of one attempt side by side, as the containers of one task run.

It exists so that order of start and essential commands mean the same in every dialect. It must not know what
a command is or how it is ended: it starts them and cancels them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from airflow_provider_jobs.emulator.jobs import After, AttemptEnd, EndReason, Step


class _Member:
    """One command among others: whether it has started, and how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended: asyncio.Future[AttemptEnd] = asyncio.get_running_loop().create_future()


async def run_together(
    steps: Sequence[Step],
    run: Callable[[int, Step], Awaitable[AttemptEnd]],
    *,
    interrupt: asyncio.Future[AttemptEnd],
) -> AttemptEnd:
    """Run all steps, each as soon as those it is ``after`` allow; an essential one that ends ends all.

    Steps in the ``background`` are stopped when all others have ended, and that is no failure of theirs.
    Returns how the essential step ended that did so first; else the first failure that counts, or a success.
    ``steps`` of it tells how each ended: CANCELLED where it was stopped, None where it never began.
    """
    members = [_Member() for _ in steps]
    running = [
        asyncio.ensure_future(_run_one(number, step, members, run)) for number, step in enumerate(steps)
    ]
    decisive: AttemptEnd | None = None
    pending: set[asyncio.Future[AttemptEnd]] = set(running)
    awaited = {one for one, step in zip(running, steps, strict=True) if not step.background}
    while pending & awaited and decisive is None and not interrupt.done():
        await asyncio.wait({*pending, interrupt}, return_when=asyncio.FIRST_COMPLETED)
        pending = {one for one in running if not one.done()}
        over = [
            one.result() for one, step in zip(running, steps, strict=True) if step.essential and one.done()
        ]
        decisive = next((end for end in over if not end.succeeded), over[0] if over else None)
    await _end(pending)
    ends = [_end_of(one, member) for one, member in zip(running, members, strict=True)]
    failures = (
        one.result()
        for one, step in zip(running, steps, strict=True)
        if not one.cancelled() and not one.result().succeeded and not step.ignore_failure
    )
    chosen = decisive or next(failures, AttemptEnd(EndReason.EXITED))
    return AttemptEnd(chosen.reason, chosen.exit_code, chosen.message, steps=tuple(ends))


async def _run_one(
    number: int,
    step: Step,
    members: Sequence[_Member],
    run: Callable[[int, Step], Awaitable[AttemptEnd]],
) -> AttemptEnd:
    own = members[number]
    end = AttemptEnd(EndReason.CANCELLED)
    try:
        for other, condition in step.after.items():
            if condition is After.STARTED:
                await members[other].started.wait()
                continue
            awaited = await asyncio.shield(members[other].ended)
            if condition is After.SUCCEEDED and not awaited.succeeded:
                end = AttemptEnd(EndReason.REFUSED, 1, "a command that this one waits for has failed")
                return end
        own.started.set()
        end = await run(number, step)
        return end
    finally:
        own.ended.set_result(end)


async def _end(pending: set[asyncio.Future[AttemptEnd]]) -> None:
    """Cancel what still runs; a command is ended with grace before its task is done."""
    for one in pending:
        one.cancel()
    if pending:
        await asyncio.wait(pending)


def _end_of(one: asyncio.Future[AttemptEnd], member: _Member) -> AttemptEnd | None:
    if one.cancelled():
        return AttemptEnd(EndReason.CANCELLED) if member.started.is_set() else None
    return one.result()
