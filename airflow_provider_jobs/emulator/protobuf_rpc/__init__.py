"""Services defined in protobuf, served over gRPC and over HTTP with JSON from the same methods.

It exists because several services speak both with the same messages. A dialect writes each method once, as
a function from request message to response message; ``grpc_transport`` and ``rest_transport`` carry it.
Nothing here may know what a message means.
"""

from __future__ import annotations
