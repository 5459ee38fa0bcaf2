"""The images that the service says its pools can use.

It exists so that clients which look one up find one. Images are recorded, never used.
https://learn.microsoft.com/rest/api/batchservice/pools/list-supported-images
"""

from __future__ import annotations

from typing import Any


def _image(publisher: str, offer: str, sku: str, agent: str, *, verified: bool = True) -> dict[str, Any]:
    return {
        "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"},
        "verificationType": "verified" if verified else "unverified",
        "nodeAgentSKUId": agent,
        "osType": "windows" if "windows" in agent else "linux",
    }


SUPPORTED: list[dict[str, Any]] = [
    _image("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04"),
    _image("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04"),
    _image("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04"),
    _image("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9", verified=False),
    _image("microsoftwindowsserver", "windowsserver", "2022-datacenter", "batch.node.windows amd64"),
]
