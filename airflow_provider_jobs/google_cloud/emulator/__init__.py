"""What Google services share on the wire: names, pages, operations, locations and Cloud Logging.

It exists so that dialects of Google services stand beside each other on one pair of ports without knowing
each other: a gRPC client finds ``google.longrunning.Operations``, ``google.cloud.location.Locations`` and
``google.logging.v2.LoggingServiceV2`` once, whichever service its operation or its lines belong to. Every
dialect takes the same :class:`~.shared.GoogleCloud` and registers with it. It must not know a service's jobs.
"""

from __future__ import annotations
