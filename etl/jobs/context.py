"""What all files of one update share, and how somebody can watch it."""

from __future__ import annotations

import grp
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.jobs.delivery import Delivery, require_movable
from etl.jobs.writing import require_outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.config import Settings
    from etl.jobs.target import Target
    from etl.load.breaker import Breaker
    from etl.rows import RowResult, Status
    from etl.runs.known import KnownRuns
    from etl.stopping import StopRequest


class Progress:
    """Watches a run, such as for a progress bar: override what you need. This one shows nothing.

    The methods are called from the thread that runs the update, and must not raise.
    """

    def staging(self, rows: int) -> None:
        """Take note of how many rows have been read and validated."""

    def reading(self, pending: int) -> None:
        """Take note that the clients of so many rows are read, before anything is sent."""

    def read(self, results: Sequence[RowResult]) -> None:
        """Take note of rows whose clients were read."""

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Take note that sending starts: the rows of each status, and how many will be sent."""

    def sent(self, results: Sequence[RowResult]) -> None:
        """Take note of rows that are finished."""

    def stopping(self, under_way: int) -> None:
        """Take note that the run was asked to stop and waits for this many requests."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all files of one update share.

    ``breaker`` remembers from file to file whether the API is in trouble. ``command`` is what the
    manifest records as the command line. ``limit`` is the maximum number of
    rows to send of each file, None for all. ``again`` sends files that were already processed.
    ``only_plan`` makes the plan of each file, and sends nothing.
    ``results`` is the path of an extra copy of the results. ``folders`` are the folders that were
    named as inputs. ``known`` is what is known of the runs; if None, each file reads them again.
    """

    settings: Settings
    target: Target
    stop: StopRequest
    progress: Progress
    breaker: Breaker
    command: str
    limit: int | None = None
    again: bool = False
    only_plan: bool = False
    results: Path | None = None
    folders: frozenset[Path] = frozenset()
    known: KnownRuns | None = None

    @property
    def delivery(self) -> Delivery | None:
        """Where the results are delivered, if they are; those of the sandbox would mislead."""
        deliver = self.settings.deliver
        if deliver.dir is None or self.target.sandbox:
            return None
        group = None if deliver.group is None else grp.getgrnam(deliver.group).gr_gid
        return Delivery(deliver.dir, int(deliver.mode, 8), group)

    def moves(self, source: Path) -> bool:
        """Whether an input is moved out of its folder once it is finished.

        After a run against the sandbox it stays where it is: it is still to be sent to Fatora.
        """
        moves = self.settings.input.done == "move" and not self.target.sandbox
        return moves and source.parent in self.folders

    def require_places(self) -> None:
        """Check that results can be delivered and inputs moved, if the settings ask for it.

        Raises:
            ConfigError: they cannot, or it would change the runs folder.
        """
        runs_dir = self.settings.runs.dir
        if self.delivery:
            require_outside(runs_dir, self.delivery.folder, "deliver.dir")
            self.delivery.require_writable()
        if self.settings.input.done == "move":
            for folder in self.folders:
                require_outside(runs_dir, folder, "the input folder")
                require_movable(folder)
