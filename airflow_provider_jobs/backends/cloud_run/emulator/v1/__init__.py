"""Version 1 of the API, in the shape of Kubernetes resources, over the same jobs as version 2.

It exists because ``gcloud run jobs`` speaks it. ``manifests`` reads what a caller writes, ``resources``
writes what a caller reads, ``api`` serves the paths. Nothing here may keep a job: ``control`` does.
https://docs.cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs
"""

from __future__ import annotations
