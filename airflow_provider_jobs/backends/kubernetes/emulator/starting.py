"""From a bound pod to a running command: order, back-off, volumes, image, variables.

It exists to hold a container back, with the reason a node would give, until it can be started. It must not
say how a container ended. https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable

from airflow_provider_jobs.backends.kubernetes.emulator import containers, images
from airflow_provider_jobs.backends.kubernetes.emulator.events import KUBELET, Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.pod_run import PodRun
from airflow_provider_jobs.backends.kubernetes.emulator.pod_status import Container
from airflow_provider_jobs.backends.kubernetes.emulator.resources import PODS
from airflow_provider_jobs.backends.kubernetes.emulator.settings import NODE, ClusterSettings
from airflow_provider_jobs.backends.kubernetes.emulator.store import Store
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import AttemptPlan, AttemptRefused, Command, Step
from airflow_provider_jobs.emulator.logstore import LogQuery

_BASE_SECONDS, _MAX_SECONDS = 10.0, 300.0
_START_ERROR = 128
#: At most so much of a log becomes the message of a container that failed.
_MESSAGE_LINES, _MESSAGE_CHARACTERS = 80, 2048
_RUNTIME = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
    "failed: unable to start container process: error during container init: "
)


class Starting:
    """Holds containers back until they can start, and says what they run."""

    def __init__(
        self,
        cloud: Cloud,
        store: Store,
        *,
        recorder: Recorder,
        settings: ClusterSettings,
        changed: Callable[[PodRun], None],
    ) -> None:
        self._cloud = cloud
        self._store = store
        self._recorder = recorder
        self._settings = settings
        self._changed = changed
        self._news = asyncio.Event()

    def look_again(self) -> None:
        """A ConfigMap, Secret or claim has changed."""
        self._news.set()
        self._news = asyncio.Event()

    async def gate(self, run: PodRun, index: int, *, attempt: int) -> None:
        """Return when a container may start. Raises AttemptRefused when it never may."""
        container = run.containers[index]
        await self._turn(run, container)
        if attempt:
            await self._back_off(run, container, attempt=attempt)
            container.restarts = attempt
        await self._volumes(run)
        await self._image(run, container)
        await self._variables(run, container)

    def plan(self, run: PodRun, index: int) -> AttemptPlan:
        """What a container runs. Raises AttemptRefused when there is no such program."""
        container = run.containers[index]
        env, container.env = container.env, {}
        argv = containers.command_line(container.spec, env)
        if shutil.which(argv[0], path=env.get("PATH", os.environ.get("PATH", os.defpath))) is None:
            missing = "executable file not found in $PATH"
            if "/" in argv[0]:
                missing = f"stat {argv[0]}: no such file or directory"
            told = f'{_RUNTIME}exec: "{argv[0]}": {missing}'
            self._event(run, container, reason="Failed", message=f"Error: {told}", warning=True)
            raise AttemptRefused(f"{told}: unknown", exit_code=_START_ERROR)
        return AttemptPlan([Step(Command(argv=argv), env)])

    async def _turn(self, run: PodRun, container: Container) -> None:
        """Wait for the init containers before this one."""
        while not all(
            each.passed or (each.sidecar and each.last_state) for each in run.before(container.index)
        ):
            if run.failed_to_initialize:
                raise AttemptRefused("", exit_code=0)
            await run.news()

    async def _back_off(self, run: PodRun, container: Container, *, attempt: int) -> None:
        """Wait before a container runs again; the first time there is no delay."""
        if attempt < 2:
            return
        seconds = min(_BASE_SECONDS * 2 ** (attempt - 2), _MAX_SECONDS)
        pod = f"{run.pod.name}_{run.pod.namespace}({run.uid})"
        text = f"restarting failed container={container.name} pod={pod}"
        self._say(
            run, container, reason="CrashLoopBackOff", message=f"back-off {_go_duration(seconds)} {text}"
        )
        told = f"Back-off restarting failed container {container.name} in pod {pod}"
        self._event(run, container, reason="BackOff", message=told, warning=True)
        await asyncio.sleep(seconds * self._settings.backoff_scale)

    async def _volumes(self, run: PodRun) -> None:
        while missing := list(containers.missing_volumes(run.pod, self._store)):
            for name, why in missing:
                told = f'MountVolume.SetUp failed for volume "{name}" : {why}'
                self._recorder.warning(
                    PODS, run.pod, reason="FailedMount", message=told, source=KUBELET, host=NODE
                )
            await self._news.wait()

    async def _image(self, run: PodRun, container: Container) -> None:
        """Have the image, or keep trying as long as the pod lives."""
        attempt = 0
        while True:
            name = self._image_of(run, container)
            if not images.is_valid(name):
                why = f'couldn\'t parse image name "{name}": invalid reference format'
                told = f'Failed to apply default image tag "{name}": {why}'
                self._event(run, container, reason="InspectFailed", message=told, warning=True)
                self._event(run, container, reason="Failed", message="Error: InvalidImageName", warning=True)
                self._say(run, container, reason="InvalidImageName", message=told)
            elif (why_not := images.cannot_be_pulled(name)) is None:
                break
            else:
                await self._fail_to_pull(run, container, name=name, why=why_not)
            await asyncio.sleep(min(_BASE_SECONDS * 2**attempt, _MAX_SECONDS))
            attempt += 1
        if container.spec["imagePullPolicy"] == "Always":
            self._event(run, container, reason="Pulling", message=f'Pulling image "{name}"')
            told = f'Successfully pulled image "{name}" in 0s (0s including waiting). Image size: 0 bytes.'
        else:
            told = f'Container image "{name}" already present on machine and can be accessed by the pod'
        self._event(run, container, reason="Pulled", message=told)

    def _image_of(self, run: PodRun, container: Container) -> str:
        """The image as the pod names it now; it may be changed while the pod waits."""
        every = [*run.pod["spec"]["containers"], *run.pod["spec"].get("initContainers", [])]
        return every[container.index]["image"]

    async def _fail_to_pull(self, run: PodRun, container: Container, *, name: str, why: str) -> None:
        self._event(run, container, reason="Pulling", message=f'Pulling image "{name}"')
        told = f'Failed to pull image "{name}": {why}'
        self._event(run, container, reason="Failed", message=told, warning=True)
        self._event(run, container, reason="Failed", message="Error: ErrImagePull", warning=True)
        self._say(run, container, reason="ErrImagePull", message=why)
        await asyncio.sleep(_BASE_SECONDS * self._settings.backoff_scale)
        self._event(run, container, reason="BackOff", message=f'Back-off pulling image "{name}"')
        self._event(run, container, reason="Failed", message="Error: ImagePullBackOff", warning=True)
        self._say(
            run,
            container,
            reason="ImagePullBackOff",
            message=f'Back-off pulling image "{name}": ErrImagePull: {why}',
        )

    async def _variables(self, run: PodRun, container: Container) -> None:
        while True:
            try:
                container.env = containers.Variables(
                    run.pod, container.spec, store=self._store, secrets=self._cloud.secrets
                ).all()
            except containers.ConfigError as error:
                if self._say(run, container, reason="CreateContainerConfigError", message=str(error)):
                    self._event(run, container, reason="Failed", message=f"Error: {error}", warning=True)
                await self._news.wait()
            else:
                return

    def _say(self, run: PodRun, container: Container, *, reason: str, message: str) -> bool:
        if not container.wait(reason, message):
            return False
        self._changed(run)
        return True

    def _event(
        self, run: PodRun, container: Container, *, reason: str, message: str, warning: bool = False
    ) -> None:
        record = self._recorder.warning if warning else self._recorder.normal
        record(
            PODS,
            run.pod,
            reason=reason,
            message=message,
            source=KUBELET,
            host=NODE,
            field=container.field_path,
        )

    def last_lines(self, run: PodRun, index: int) -> str:
        """The end of a log, for containers whose policy wants it as their message."""
        container = run.containers[index]
        if container.spec["terminationMessagePolicy"] != "FallbackToLogsOnError":
            return ""
        query = LogQuery(job_uids=[run.uid], task_indexes=[index], descending=True)
        found: list[str] = []
        for line in self._cloud.logs.read(query):
            if line.attempt != container.restarts or len(found) == _MESSAGE_LINES:
                break
            found.append(line.text)
        return "".join(f"{text}\n" for text in reversed(found))[-_MESSAGE_CHARACTERS:]


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
