"""The local cloud's own picture of a job: N tasks, their attempts, and what happened when.

It exists so that every wire dialect tells the same story in its vendor's words. It holds state and the
history of state, and nothing else: it must not start processes, wait, or know a vendor's vocabulary.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pendulum


class JobState(str, Enum):
    """Where a job stands. Dialects translate; the order of the first three is the order of life."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DELETING = "deleting"


class TaskState(str, Enum):
    """Where one task of a job stands. UNEXECUTED: the job ended before the task ever ran."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNEXECUTED = "unexecuted"


class EndReason(str, Enum):
    """Why an attempt ended. All but EXITED and REFUSED come from outside the command."""

    EXITED = "exited"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    LOST = "lost"
    REBOOTED = "rebooted"
    UNRESPONSIVE = "unresponsive"
    RECREATED = "recreated"
    OUT_OF_MEMORY = "out_of_memory"


END_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
TASK_END_STATES = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.UNEXECUTED})


class After(str, Enum):
    """What one command waits for of another that runs beside it."""

    STARTED = "started"
    ENDED = "ended"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True)
class AttemptEnd:
    """How one attempt ended. ``exit_code`` is the command's own; negative means killed by that signal.

    ``steps``: how each command ended where they ran side by side; None for one that never began.
    ``last_code``: what the command itself returned when it was ended from outside.
    """

    reason: EndReason
    exit_code: int = 0
    message: str = ""
    steps: tuple[AttemptEnd | None, ...] = ()
    last_code: int | None = field(default=None, compare=False)

    @property
    def succeeded(self) -> bool:
        return self.reason is EndReason.EXITED and self.exit_code == 0


@dataclass(frozen=True)
class Command:
    """What one step executes: an argument vector, or the text of a script with an optional shebang line."""

    argv: tuple[str, ...] = ()
    script: str = ""


@dataclass(frozen=True)
class Step:
    """One command of a task. ``command=None`` is a barrier: wait here for every task of the job.

    ``ignore_failure``: a failure does not fail the task. ``background``: do not wait for it, end it after
    the last foreground step. ``always_run``: run even when an earlier step has failed.

    Where steps run ``together``: ``after`` names those, by number, that this one waits for; the end of an
    ``essential`` one ends all others.
    """

    command: Command | None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    time_limit_seconds: float | None = None
    ignore_failure: bool = False
    background: bool = False
    always_run: bool = False
    after: Mapping[int, After] = field(default_factory=dict)
    essential: bool = False


class OutputFiles(NamedTuple):
    """Files that take what the commands write, byte for byte, as it is written."""

    stdout: Path
    stderr: Path


@dataclass(frozen=True)
class AttemptPlan:
    """What one attempt of one task does, made by the dialect when the attempt is assigned.

    ``directory`` is where the commands run; it is made when missing and stays when the job has ended, and so
    do ``output_files``. Without it they run in a directory that goes with the job. ``prepare`` is awaited
    once the task is running, before the first step, within the time limit; it may raise
    :class:`AttemptRefused`. With ``together`` all steps begin at once, unless they wait for each other.
    """

    steps: Sequence[Step]
    time_limit_seconds: float | None = None
    directory: Path | None = None
    output_files: OutputFiles | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    together: bool = False


class AttemptRefused(Exception):
    """Raised by a dialect's ``plan`` when an attempt cannot begin (a secret is missing, say)."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.end = AttemptEnd(EndReason.REFUSED, exit_code, message)


def between(start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    """The time from one moment to another; lists of thousands of jobs cannot wait for an Interval each."""
    return dt.datetime.__sub__(end, start)


class JobListener(Protocol):
    """Told about every change right after it happened, on the event loop. Must not block or raise."""

    def job_changed(self, job: Job, event: Event) -> None: ...

    def task_changed(self, job: Job, task: Task, event: Event) -> None: ...


@dataclass(frozen=True)
class JobSpec:
    """A job as a dialect hands it to the engine.

    ``name`` is unique within the dialect while the job exists, ``uid`` is unique for ever.
    ``plan(index, attempt)`` may raise :class:`AttemptRefused`. ``retry(end, attempt)`` decides whether a
    failed attempt (counted from 0) is followed by another. ``images`` are recorded, never pulled.

    ``gate(index, attempt)`` is awaited before an attempt is assigned, with the task PENDING; where it raises
    :class:`AttemptRefused` the task fails without having run. ``again(index, attempt, end)`` takes the place
    of ``retry`` where the decision needs the index or takes time; it is asked after a success, too. Neither
    is waited for any longer once the job is stopped. ``one_slot``: the tasks count as one process among those
    that may run at one time, so that tasks that wait for each other always run together. ``listed_under``:
    the lists that have the job, by what the table of jobs finds them by.
    """

    dialect: str
    name: str
    uid: str
    task_count: int
    parallelism: int
    plan: Callable[[int, int], AttemptPlan]
    retry: Callable[[AttemptEnd, int], bool]
    listener: JobListener | None = None
    keep_logs: bool = True
    images: tuple[str, ...] = ()
    gate: Callable[[int, int], Awaitable[None]] | None = None
    again: Callable[[int, int, AttemptEnd], Awaitable[bool]] | None = None
    one_slot: bool = False
    listed_under: tuple[Hashable, ...] = ()


@dataclass(frozen=True)
class Event:
    """A change of state of a job or of a task. ``end`` is set when an attempt ended with this change."""

    at: pendulum.DateTime
    before: JobState | TaskState
    after: JobState | TaskState
    attempt: int = 0
    end: AttemptEnd | None = None


@dataclass
class Hindrance:
    """What keeps a job from its next step, as a word that its dialect tells of; ``until`` it was over."""

    word: str
    since: pendulum.DateTime
    until: pendulum.DateTime | None = None


class Task:
    """One index of a job. Small on purpose: a job may have 100,000 of them."""

    __slots__ = ("attempt", "events", "index", "state")

    def __init__(self, index: int) -> None:
        self.index = index
        self.state = TaskState.PENDING
        self.attempt = 0
        self.events: list[Event] = []

    @property
    def end(self) -> AttemptEnd | None:
        """How the latest ended attempt ended, or None."""
        return next((event.end for event in reversed(self.events) if event.end is not None), None)


class Job:
    """A job in the local cloud: its spec, its tasks, its history. Only the scheduler changes its state."""

    def __init__(self, spec: JobSpec, *, data: Any = None) -> None:
        self.spec = spec
        self.data = data
        self.state = JobState.QUEUED
        self.created_at = self.updated_at = pendulum.now("UTC")
        self.run_started_at: pendulum.DateTime | None = None
        self.run_ended_at: pendulum.DateTime | None = None
        self.events: list[Event] = []
        self.tasks = [Task(index) for index in range(spec.task_count)]
        self.counts: Counter[TaskState] = Counter({TaskState.PENDING: spec.task_count})
        #: All that have kept it from a step, the latest last.
        self.hindrances: tuple[Hindrance, ...] = ()

    @property
    def hindered_by(self) -> str | None:
        """What keeps the job from its next step now; None where nothing that a rule names does."""
        return self.hindrances[-1].word if self.hindrances and not self.hindrances[-1].until else None

    def hinder(self, word: str | None) -> None:
        """Note what keeps the job from its next step from now on, or that nothing does. Idempotent."""
        if word == self.hindered_by:
            return
        now = pendulum.now("UTC")
        if self.hindered_by is not None:
            self.hindrances[-1].until = now
        if word is not None:
            self.hindrances = (*self.hindrances, Hindrance(word, now))

    @property
    def ended(self) -> bool:
        return self.state in END_STATES

    @property
    def first_failure(self) -> tuple[Task, Event] | None:
        """The task that failed first and the event of its failure."""
        failures = ((task, task.events[-1]) for task in self.tasks if task.state is TaskState.FAILED)
        return min(failures, key=lambda pair: pair[1].at, default=None)

    def run_duration(self) -> dt.timedelta:
        """Time spent running so far; zero before the first task ran."""
        if self.run_started_at is None:
            return dt.timedelta()
        return between(self.run_started_at, self.run_ended_at or pendulum.now("UTC"))

    def move(self, state: JobState) -> None:
        """Change the job's state and tell the listener. Setting the present state again does nothing."""
        if state is self.state:
            return
        event = Event(self._stamp(), self.state, state)
        if state is JobState.RUNNING and self.run_started_at is None:
            self.run_started_at = event.at
        if (
            self.run_started_at
            and not self.run_ended_at
            and (state in END_STATES or state is JobState.DELETING)
        ):
            self.run_ended_at = event.at
        self.state = state
        self.events.append(event)
        if self.spec.listener:
            self.spec.listener.job_changed(self, event)

    def move_task(self, task: Task, state: TaskState, *, end: AttemptEnd | None = None) -> None:
        """Change one task's state, keep the counts right and tell the listener."""
        if state is task.state:
            return
        event = Event(self._stamp(), task.state, state, task.attempt, end)
        self.counts[state] += 1
        self.counts[task.state] -= 1
        if not self.counts[task.state]:
            del self.counts[task.state]
        task.state = state
        task.events.append(event)
        if self.spec.listener:
            self.spec.listener.task_changed(self, task, event)

    def _stamp(self) -> pendulum.DateTime:
        self.updated_at = pendulum.now("UTC")
        return self.updated_at
