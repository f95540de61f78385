"""`Experiments`: MLflow as the stations see it, and a spool for when it cannot be reached.

Here: a training goes on whatever MLflow does; what could not be told waits in the store and is told
once, by whoever next reaches it. Not here: MLflow's calls (`tracking`), what a run holds
(`run_log`).
"""

import logging
from collections.abc import Callable, Iterable

from mlops_assets.objects import ObjectNotFound
from mlops_assets.resources.experiments.run_log import Point, RunLog, Status
from mlops_assets.resources.experiments.tracking import Tracking, now_ms, refused
from mlops_assets.resources.records import Store

_SPOOL = "experiments"
_log = logging.getLogger(__name__)


class Experiments:
    """Where runs are told; with no ``uri`` nothing is, and nothing is kept.

    Args:
        uri: MLflow's; empty: none is there (in AWS, until one is declared).
    """

    def __init__(self, store: Store, uri: str, artifact_root: str | None = None) -> None:
        self._store = store
        self._tracking = Tracking(uri, artifact_root) if uri else None

    def begin(self, log: RunLog) -> "Recorder":
        """Tell that a run has begun, after whatever still waits to be told of this experiment."""
        try:
            self.replay(log.experiment)
        except Exception as error:
            _log.warning("what waits to be told to MLflow cannot be read: %r", error)
        return Recorder(log, self._tracking, self)

    def replay(self, experiment: str) -> int:
        """Tell what waits, each run once; how many were told."""
        if self._tracking is None:
            return 0
        objects, told = self._store.open(), 0
        for info in list(objects.list(f"{self._store.uri(_SPOOL, experiment)}/")):
            try:
                waiting = RunLog.model_validate_json(objects.read(info.uri))
                self._tracking.whole(waiting)
            except ObjectNotFound:
                continue  # another run was quicker
            except Exception as error:
                _log.warning("MLflow still cannot be told of %s: %r", info.uri, error)
                if refused(error):
                    continue  # it stays for a person to see, and holds no other up
                return told
            objects.delete(info.uri)
            told += 1
        return told

    def keep(self, log: RunLog) -> None:
        """Keep a run until MLflow can be told of it."""
        uri = f"{self._store.uri(_SPOOL, log.experiment)}/{log.name}.json"
        self._store.open().write(uri, log.model_dump_json().encode())


class Recorder:
    """One run, as it goes on. Never raises: experiments are no reason to lose a training."""

    def __init__(self, log: RunLog, tracking: Tracking | None, experiments: Experiments) -> None:
        self.log = log
        self.problem = ""
        self._tracking = tracking
        self._experiments = experiments
        self._run_id = ""
        self._attempt(self._open)

    @property
    def run_id(self) -> str:
        """MLflow's name of the run; empty where it was not told."""
        return self._run_id

    def points(self, points: Iterable[Point]) -> None:
        """Tell further points."""
        found = list(points)
        self.log.add(found)
        if found:
            self._attempt(lambda tracking: tracking.points(self._run_id, found))

    def end(self, status: Status) -> None:
        """Tell how it ended, or keep all of it for later."""
        self.log.end(status, now_ms())
        self._attempt(lambda tracking: tracking.close(self._run_id, self.log))
        if self.problem:
            try:
                self._experiments.keep(self.log)
            except Exception as error:
                _log.warning("the experiment's run %s is lost: %r", self.log.name, error)

    def _open(self, tracking: Tracking) -> None:
        self._run_id = tracking.open(self.log)

    def _attempt(self, tell: Callable[[Tracking], None]) -> None:
        """Until the first failure: one that is down is not asked again by this training."""
        if self._tracking is None or self.problem:
            return
        try:
            tell(self._tracking)
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            _log.warning(
                "MLflow at %s cannot be told of %s; it is kept and told later: %s",
                self._tracking.uri, self.log.name, self.problem,
            )  # fmt: skip
