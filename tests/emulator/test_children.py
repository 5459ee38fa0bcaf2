from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from airflow_provider_jobs.emulator.children import Child, Children, SpawnFailed, WardenGone

PATH = os.environ["PATH"]


def with_children(work: Callable[[Children], Awaitable[None]]) -> None:
    async def whole() -> None:
        children = Children()
        children.start()
        try:
            await asyncio.wait_for(work(children), timeout=30)
        finally:
            children.stop()

    asyncio.run(whole())


async def output(child: Child) -> tuple[bytes, bytes]:
    stdout, stderr = await child.open_streams()
    return tuple(await asyncio.gather(stdout.read(), stderr.read()))  # type: ignore[return-value]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until_gone(pid: int) -> None:
    while alive(pid):  # noqa: ASYNC110 - the process is nobody's child here
        await asyncio.sleep(0.01)


def test_a_child_gets_exactly_the_environment_it_is_given_and_its_streams_are_apart(tmp_path: Path):
    async def work(children: Children) -> None:
        child = await children.spawn(["/usr/bin/env"], env={"ONLY": "this"}, cwd=tmp_path)
        assert await output(child) == (b"ONLY=this\n", b"")
        child = await children.spawn(
            ["sh", "-c", "pwd; echo e >&2; exit 7"], env={"PATH": PATH}, cwd=tmp_path
        )
        assert await output(child) == (f"{tmp_path}\n".encode(), b"e\n")
        assert await child.exited == 7

    with_children(work)


def test_a_command_that_does_not_exist_says_so(tmp_path: Path):
    async def work(children: Children) -> None:
        with pytest.raises(SpawnFailed) as caught:
            await children.spawn(["no-such-command"], env={"PATH": PATH}, cwd=tmp_path)
        assert caught.value.errno == 2
        (tmp_path / "plain").write_text("x")
        with pytest.raises(SpawnFailed) as caught:
            await children.spawn([str(tmp_path / "plain")], env={}, cwd=tmp_path)
        assert caught.value.errno == 13

    with_children(work)


def test_a_large_environment_and_a_long_argument_arrive_whole(tmp_path: Path):
    async def work(children: Children) -> None:
        long = "x" * 100_000
        env = {f"V{number}": long for number in range(10)} | {"PATH": PATH}
        child = await children.spawn(["sh", "-c", 'echo "${#V9}" "${#1}"', "sh", long], env=env, cwd=tmp_path)
        assert (await output(child))[0] == b"100000 100000\n"

    with_children(work)


def test_ending_a_child_ends_its_whole_group_and_respects_the_grace_time(tmp_path: Path):
    async def work(children: Children) -> None:
        text = "trap 'echo bye; exit 3' TERM; sleep 60 & echo $!; wait"
        child = await children.spawn(["sh", "-c", text], env={"PATH": PATH}, cwd=tmp_path)
        stdout, _ = await child.open_streams()
        grandchild = int(await stdout.readline())
        assert await child.end(grace_seconds=10) == 3
        assert await stdout.read() == b"bye\n"
        await until_gone(grandchild)

    with_children(work)


def test_a_child_that_ignores_term_is_killed(tmp_path: Path):
    async def work(children: Children) -> None:
        text = "trap '' TERM; echo ready; while :; do sleep 1; done"
        child = await children.spawn(["sh", "-c", text], env={"PATH": PATH}, cwd=tmp_path)
        stdout, _ = await child.open_streams()
        await stdout.readline()
        assert await child.end(grace_seconds=0.1) == -signal.SIGKILL

    with_children(work)


def test_what_a_child_leaves_behind_in_its_group_dies_with_it(tmp_path: Path):
    async def work(children: Children) -> None:
        child = await children.spawn(["sh", "-c", "sleep 60 & echo $!"], env={"PATH": PATH}, cwd=tmp_path)
        out, _ = await output(child)
        assert await child.exited == 0
        await until_gone(int(out))

    with_children(work)


@pytest.mark.parametrize("escape", ["sleep 60 & echo $!", "setsid sh -c 'echo $$; exec sleep 60' & wait"])
def test_stopping_leaves_no_process_not_even_one_that_left_its_group(tmp_path: Path, escape: str):
    pids: list[int] = []

    async def work(children: Children) -> None:
        child = await children.spawn(["sh", "-c", f"{escape}; sleep 60"], env={"PATH": PATH}, cwd=tmp_path)
        stdout, _ = await child.open_streams()
        pids.append(int(await stdout.readline()))
        assert alive(pids[0])

    with_children(work)
    asyncio.run(asyncio.wait_for(until_gone(pids[0]), timeout=10))


def test_a_spawn_that_nobody_waits_for_leaves_no_process(tmp_path: Path):
    async def work(children: Children) -> None:
        spawning = asyncio.ensure_future(children.spawn(["sleep", "60"], env={"PATH": PATH}, cwd=tmp_path))
        await asyncio.sleep(0)
        spawning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spawning
        while len(children):  # noqa: ASYNC110 - the child is nobody's
            await asyncio.sleep(0.01)

    with_children(work)


def test_when_the_warden_dies_its_children_end_and_nothing_new_begins(tmp_path: Path):
    async def work(children: Children) -> None:
        child = await children.spawn(["sleep", "60"], env={"PATH": PATH}, cwd=tmp_path)
        pid = child.started.result()
        assert children._warden is not None
        children._warden.kill()
        assert await child.exited == -signal.SIGKILL
        await until_gone(pid)
        with pytest.raises(WardenGone):
            await children.spawn(["true"], env={"PATH": PATH}, cwd=tmp_path)

    with_children(work)
