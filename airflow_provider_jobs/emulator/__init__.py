"""The local cloud: one job engine behind the wire protocols of several cloud services, on loopback.

It exists so that a DAG, a test or a laptop can run container jobs with no account. It must not import
anything of this package outside ``airflow_provider_jobs.emulator``, must not know a vendor's vocabulary,
and must never listen on anything but loopback.

How a call becomes a process and a process becomes a log line::

    vendor's client
        |  gRPC or REST
    server.py ---- protobuf_rpc/ (transports) ---- calls.py (counts, injected faults)
        |                                              |
    dialects.py -> backends/<name>/emulator/  <--------+      a dialect: wire messages <-> JobSpec
        |  Cloud.submit(JobSpec)        ^ JobListener
    cloud.py -> scheduling.py -> attempts.py -> children.py -> warden.py (a process of its own) -> command
        |            |                |
     jobs.py     progress.py      capture.py -> logstore.py -> dialect's log API
     (state)     (when a step     (lines, timestamps, index, attempt; spooled to a file)
                 may be taken)

``admin.py`` serves ``/_admin/...``: counters, jobs, faults, progress rules, delays.
``process.py`` starts the whole as a subprocess for tests and demos; ``cli.py`` is the command line.
"""

from __future__ import annotations
