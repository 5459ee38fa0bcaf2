"""kubernetes_asyncio against the local cloud; run as a program by ``test_asyncio_client``."""

from __future__ import annotations

import asyncio
import json
import sys

from kubernetes_asyncio import client, config, watch


async def main() -> None:
    await config.load_kube_config(config_file=sys.argv[1])
    async with client.ApiClient() as api:
        batch, core = client.BatchV1Api(api), client.CoreV1Api(api)
        command = ["sh", "-c", "echo index $JOB_COMPLETION_INDEX"]
        container = client.V1Container(name="main", image="busybox", command=command)
        template = client.V1PodTemplateSpec(
            spec=client.V1PodSpec(containers=[container], restart_policy="Never")
        )
        spec = client.V1JobSpec(template=template, completions=2, parallelism=2, completion_mode="Indexed")
        job = client.V1Job(metadata=client.V1ObjectMeta(name="work"), spec=spec)
        await batch.create_namespaced_job("default", job)
        seen = []
        async with watch.Watch().stream(batch.list_namespaced_job, "default", timeout_seconds=30) as stream:
            async for event in stream:
                seen.append(event["type"])
                if event["object"].status.completion_time:
                    break
        pods = await core.list_namespaced_pod("default", label_selector="job-name=work")
        logs = [await core.read_namespaced_pod_log(pod.metadata.name, "default") for pod in pods.items]
        await batch.delete_namespaced_job("work", "default", propagation_policy="Background")
        print(json.dumps({"first": seen[0], "logs": sorted(logs)}))


if __name__ == "__main__":
    asyncio.run(main())
