"""The process behind :class:`airflow_provider_jobs.demo.sessions.Leash`.

Its own process, because it has to act after the one that it watches was killed. It reads what to clean up
from its standard input and acts when that input ends; it must import nothing of Airflow, which would cost
seconds.
"""

from __future__ import annotations

import shutil
import sys

from airflow_provider_jobs.demo.sessions import end_process, end_sessions


def main() -> None:
    """Read what to clean up until the end of input, then do it.

    The lines are ``session <pid>``, ``process <pid> <start in seconds since 1970>``, ``directory <path>``.
    """
    grace_seconds = float(sys.argv[1])
    leaders: list[int] = []
    processes: list[tuple[int, float]] = []
    directories: list[str] = []
    for line in sys.stdin:
        kind, _, value = line.rstrip("\n").partition(" ")
        if kind == "session":
            leaders.append(int(value))
        elif kind == "process":
            pid, _, started = value.partition(" ")
            processes.append((int(pid), float(started)))
        elif kind == "directory":
            directories.append(value)
        else:
            raise SystemExit(f"unknown line on standard input: {line!r}")
    for pid, started in processes:
        end_process(pid, started=started, grace_seconds=grace_seconds)
    end_sessions(leaders, grace_seconds=grace_seconds)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
