"""Where faults are tried: one local cloud, one zygote, and the operators side by side."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.faults.bench import HELD, Bench
from tests.faults.faults import Fault
from tests.faults.runs import Stage
from tests.faults.subjects import LISTING_DELAY_SECONDS, Subject
from tests.faults.tally import Tally
from tests.faults.witness import Witness
from tests.faults.zygotes import Zygote, zygote

Listener = Callable[[Tally, float], None]


@dataclass
class Harness:
    """A local cloud, and an Airflow that reaches it."""

    cloud: LocalCloud
    zygote: Zygote
    directory: Path

    def try_all(
        self,
        subjects: Sequence[Subject],
        faults: Sequence[Fault],
        *,
        every: int,
        told: Listener = lambda _tally, _seconds: None,
    ) -> list[Tally]:
        """Try every fault on every operator, the operators side by side: most of a run is spent waiting.

        :param every: of the points of a submit path, strike every so many-th
        :param told: takes each tally as soon as it is there, in any order, and how many seconds it took
        """
        with ExitStack() as stack, ThreadPoolExecutor(len(subjects)) as pool:
            benches = [stack.enter_context(self._bench(subject, every)) for subject in subjects]
            list(pool.map(Bench.warm, benches))
            tallies = []
            for lists_late in (False, True):
                self.cloud.admin.set_listing_delay(LISTING_DELAY_SECONDS if lists_late else 0)
                now = [fault for fault in faults if fault.lists_late == lists_late]
                tried = pool.map(lambda bench, now=now: _try_each(now, bench, told), benches)
                tallies += [tally for each in tried for tally in each]
            return tallies

    @contextmanager
    def _bench(self, subject: Subject, every: int) -> Iterator[Bench]:
        with self.zygote.session(subject.name) as session:
            witness = Witness(self.cloud, subject.dialect)
            yield Bench(subject, session, Stage(session), witness, self.cloud.admin, self.directory, every)


@contextmanager
def harness() -> Iterator[Harness]:
    """Start a local cloud, and a zygote whose Airflow's connections lead to it; end both."""
    with LocalCloud() as cloud, tempfile.TemporaryDirectory(prefix="faults-") as name:
        directory = Path(name)
        environment = {
            "AIRFLOW_HOME": str(directory / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "LOCAL_CLOUD": cloud.grpc,
        }
        for conn_id, connection in cloud.connections.items():
            environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
        cloud.admin.hold("scheduled", job=f"*{HELD}-*")
        with zygote(directory, environment) as started:
            yield Harness(cloud, started, directory)


def _try_each(faults: Sequence[Fault], bench: Bench, told: Listener) -> list[Tally]:
    tallies = []
    for fault in faults:
        if fault.concerns(bench.subject):
            began = time.monotonic()
            tallies.append(fault.on(bench))
            told(tallies[-1], time.monotonic() - began)
    return tallies
