"""What is set for the whole cluster: the node's name and size, and how long back-offs take.

It exists so that the few numbers that are made up stand in one place.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NODE = "k8s-node-1"
HOST_IP = "192.168.49.2"
#: What the node offers. Requests are compared with it pod by pod; what other pods use is not subtracted.
ALLOCATABLE = {
    "cpu": "64",
    "ephemeral-storage": "512Gi",
    "memory": "256Gi",
    "nvidia.com/gpu": "8",
    "pods": "110",
}


class ClusterSettings(BaseModel):
    """Can be changed while the server runs: ``PUT /_admin/kubernetes/settings``.

    ``backoff_scale`` is what the delays of a real cluster are multiplied with: those before a failed pod is
    replaced (10 s, doubling up to 10 minutes) and before a failed container is restarted (up to 5 minutes).
    """

    model_config = ConfigDict(extra="forbid")

    backoff_scale: float = Field(default=0.01, ge=0)
