"""What ``update`` prints: a summary, which cron mails every night, or JSON.

The first line alone says whether somebody must do something. The rest is for operations: the files
that could not be used, and the result of each file that was sent.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from etl.commands import console
from etl.commands.layout import say_counts
from etl.commands.options import is_single, say_skipped
from etl.commands.words import minute, named_open_rows
from etl.errors import ExitCode
from etl.jobs.summary import first_changes
from etl.report.sentences import (
    NEEDS_APPROVAL,
    PLANNED,
    columns_in_words,
    rows_in_words,
    verdict_in_short,
)
from etl.runs.folder import RunFolder
from etl.text import counted, visible, without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from etl.jobs.summary import Summary
    from etl.rows import OpenRows

# A full disk leaves a file “not finished” rather than “failed”: some rows may have been sent.
_UNUSABLE, _FAILED, _NOT_FINISHED = "could not be used", "failed", "not finished"
_WITHOUT_RUN = {ExitCode.INPUT_UNUSABLE: _UNUSABLE, ExitCode.STOPPED: _NOT_FINISHED}
_MOST_CHANGES = 20
_PATHS = ("folder", "input", "results", "rework", "delivered")
_SENTENCES = ("sentence", "stopped")


@dataclass(frozen=True)
class Night:
    """What one invocation of ``update`` did with its ``inputs``; ``ended`` is the local time."""

    inputs: Sequence[Path]
    results: Sequence[Summary]
    ended: datetime

    @cached_property
    def summaries(self) -> list[Summary]:
        """The summaries of all files except those that were skipped for now."""
        return [summary for summary in self.results if not summary.skipped]

    @property
    def exit_code(self) -> ExitCode:
        """The worst exit code of all files."""
        return ExitCode.worst(summary.exit_code for summary in self.summaries)

    def say(self) -> None:
        """Print the summary for people."""
        console.say(f"{minute(self.ended)} {self._verdict}: {', '.join(self._totals())}")
        for what, summaries in self._without_run.items():
            _say_without_run(what, summaries)
        for summary in self._sent:
            self._say_sent(summary)
        self._say_done()
        for words in self._not_moved():
            console.say()
            console.say(words)
        say_skipped(self._skipped, len(self.summaries))

    def say_json(self) -> None:
        """Print JSON for programs: one object for a single file, otherwise a list of them."""
        objects = [_facts(summary) for summary in self.summaries]
        several = {"runs": objects, "exit_code": self.exit_code}
        console.say_json(several if self._several else objects[0])

    def complain(self, *, quiet: bool) -> None:
        """Print why files were not sent, to standard error; if ``quiet``, also why runs stopped."""
        for summary in self.summaries:
            if summary.run is None or (quiet and summary.exit_code is ExitCode.STOPPED):
                sentence = without_isolates(summary.sentence)
                console.complain(f"fatora-clients: {_name(summary)}: {sentence}")
        for words in self._not_moved():
            console.complain(f"fatora-clients: {words}")

    @property
    def _several(self) -> bool:
        return not is_single(self.inputs, self.summaries)

    @property
    def _skipped(self) -> list[Path]:
        return [summary.input for summary in self.results if summary.skipped]

    @cached_property
    def _sent(self) -> list[Summary]:
        """The files that were sent in this night, at least in part."""
        return [each for each in self.summaries if each.run and not each.already_done]

    @cached_property
    def _done(self) -> list[Summary]:
        """The files that had been processed before."""
        return [each for each in self.summaries if each.already_done]

    @cached_property
    def _without_run(self) -> dict[str, list[Summary]]:
        """The files for which there is no run, grouped by the reason."""
        groups: dict[str, list[Summary]] = {_UNUSABLE: [], _FAILED: [], _NOT_FINISHED: []}
        for summary in self.summaries:
            if summary.run is None:
                groups[_WITHOUT_RUN.get(summary.exit_code, _FAILED)].append(summary)
        return groups

    @cached_property
    def _reworked(self) -> dict[str, OpenRows]:
        """What is still open of each earlier file that this night's files correct, by its run."""
        return {rows.run: rows for summary in self._sent for rows in summary.reworked}

    @cached_property
    def _still_open(self) -> list[Summary]:
        """The files processed before that have rows to fix which no file of this night corrects."""
        return [each for each in self._done if each.still_open and each.run not in self._reworked]

    @cached_property
    def _rows_open(self) -> int:
        """The number of open rows in the files of earlier nights."""
        reworked = sum(rows.total for rows in self._reworked.values())
        return reworked + sum(summary.still_open for summary in self._still_open)

    @cached_property
    def _planned(self) -> list[Summary]:
        """The files that were only planned, as they were meant to be."""
        return [each for each in self._sent if each.planned and not each.stopped]

    @property
    def _would_change(self) -> int:
        """The number of rows that would change their client if what is planned were sent."""
        return sum(each.plan.rows for each in self._planned if each.plan)

    @property
    def _to_fix(self) -> int:
        """The number of rows to fix, but for reworks: theirs are open in the file they correct."""
        return sum(each.totals.still_to_fix for each in self._waiting if not each.reworked)

    @property
    def _left(self) -> int:
        """The number of rows that are still to be sent."""
        return sum(each.totals.left for each in self._waiting) - self._would_change

    @property
    def _not_restored(self) -> int:
        """The number of clients that an undo leaves as they are; it has a row for each client."""
        return sum(each.not_restored for each in self.summaries)

    @property
    def _waiting(self) -> list[Summary]:
        """The files that were sent, except those that a later file of this night corrects."""
        return [each for each in self._sent if each.run not in self._reworked]

    @property
    def _verdict(self) -> str:
        """What the first line begins with: OK only if nothing is left to do in any file."""
        exit_code = self.exit_code
        held = [each for each in self._sent if each.needs_approval]
        if (held or self._planned) and exit_code is ExitCode.STOPPED:
            # To be sent is what these files wait for: only the others may need somebody.
            others = (each for each in self.summaries if each not in [*held, *self._planned])
            exit_code = ExitCode.worst(each.exit_code for each in others)
            if exit_code in {ExitCode.DONE, ExitCode.NOT_ALL_UPDATED}:
                return self._marked(NEEDS_APPROVAL if held else PLANNED)
        if exit_code in {ExitCode.DONE, ExitCode.NOT_ALL_UPDATED}:
            waiting = self._rows_open or self._to_fix or self._left or self._not_restored
            exit_code = ExitCode.NOT_ALL_UPDATED if waiting else ExitCode.DONE
        return self._marked(verdict_in_short(exit_code))

    def _marked(self, verdict: str) -> str:
        in_sandbox = any(each.totals.sandbox for each in self.summaries)
        return verdict.upper() + (" (SANDBOX)" if in_sandbox else "")

    def _totals(self) -> Iterator[str]:
        """Yield the numbers of the first line: the files, the rows to do, the rows done."""
        files, sent = len(self.summaries), len(self._sent)
        done = "planned" if self._planned else "sent"
        yield counted(files, "file") if files else "no files"
        for number, what in (
            (sent if sent < files else 0, done),
            (len(self._without_run[_UNUSABLE]), "unusable"),
            (len(self._without_run[_FAILED]), _FAILED),
            (len(self._without_run[_NOT_FINISHED]), _NOT_FINISHED),
            (len(self._done), "already processed"),
            (len(list(self._not_moved())), "not moved away"),
            (len(self._skipped), "skipped"),
        ):
            if number:
                yield f"{number:,} {what}"
        for number, what in (
            (self._would_change, "would change"),
            (self._to_fix, "to fix"),
            (self._left, "to send"),
            (self._rows_open, "still open in earlier files"),
            (self._not_restored, "not restored"),
            (sum(each.totals.updated for each in self._sent), "updated"),
            (sum(each.totals.unchanged for each in self._sent), "unchanged"),
        ):
            if number:
                yield f"{counted(number, 'row')} {what}"
        if differ := sum(each.totals.stored_differently for each in self._sent):
            yield f"{differ:,} of them stored differently from what was sent"

    def _not_moved(self) -> Iterator[str]:
        """Yield a sentence for each file that could not be moved out of the input folder."""
        for summary in self.summaries:
            if summary.not_moved:
                yield f"{_name(summary)} could not be moved away ({summary.not_moved})."

    def _say_sent(self, summary: Summary) -> None:
        totals = summary.totals
        console.say()
        console.say(f"{_name(summary)}: {rows_in_words(totals)}")
        console.say(without_isolates(columns_in_words(totals)))
        say_counts(totals)
        console.say(without_isolates(summary.sentence))
        _say_changes(summary)
        for rows in summary.reworked:
            latest = self._reworked[rows.run]  # after all files of this night
            console.say(f"Still open after this rework: {named_open_rows(latest)}")
        _say_places(summary)

    def _say_done(self) -> None:
        """Name the files processed before that have rows to fix, and count the others."""
        named = self._still_open if self._several else self._done
        for summary in named:
            console.say()
            console.say(f"{_name(summary)}: {without_isolates(summary.sentence)}")
            _say_places(summary)
        waiting = {run for run, rows in self._reworked.items() if rows.total}
        fine = [each for each in self._done if each not in named and each.run not in waiting]
        if fine:
            verbs = (
                "was already processed and needs"
                if len(fine) == 1
                else "were already processed and need"
            )
            console.say()
            console.say(f"{counted(len(fine), 'file')} {verbs} no action.")


def shares_a_reader() -> bool:
    """Whether standard output and standard error go to the same place, as in cron's mail."""
    try:
        output, errors = (os.fstat(stream.fileno()) for stream in (sys.stdout, sys.stderr))
    except (OSError, ValueError):
        return False
    return os.path.samestat(output, errors)


def _say_without_run(what: str, summaries: Sequence[Summary]) -> None:
    """Print the files that have no run for the reason ``what``, each with its sentence."""
    if not summaries:
        return
    verb = "" if what in {_UNUSABLE, _FAILED} else ("was " if len(summaries) == 1 else "were ")
    console.say()
    console.say(f"{counted(len(summaries), 'file')} {verb}{what}:")
    for summary in summaries:
        console.say(f"  {_name(summary)}: {without_isolates(summary.sentence)}")


def _say_changes(summary: Summary) -> None:
    """Print the first changes that a plan makes, a line for each row."""
    if not summary.planned or summary.plan is None or summary.folder is None:
        return
    changes = first_changes(summary, _MOST_CHANGES)
    for row, client, words in changes:
        console.say(f"  row {row:,}, client {client}: {without_isolates(words)}")
    if more := summary.plan.rows - len(changes):
        console.say(f"  and {more:,} more in {visible(str(RunFolder(summary.folder).report))}")


def _say_places(summary: Summary) -> None:
    """Print where the results, the rework, the delivery and the run of a file are."""
    console.say(f"Results: {visible(str(summary.results or 'pruned'))}")
    is_partly_corrected = summary.already_done and summary.still_open < summary.totals.to_fix
    if summary.rework and not is_partly_corrected:  # it still has old values of corrected rows
        console.say(f"Rework:  {visible(str(summary.rework))}")
    if summary.delivered:
        console.say(f"Delivered to {visible(str(summary.delivered))}")
    console.say(f"Run:     {summary.run}")


def _name(summary: Summary) -> str:
    return visible(str(summary.input))


def _facts(summary: Summary) -> dict[str, Any]:
    facts = asdict(summary)
    facts |= facts.pop("totals")
    del facts["skipped"]
    paths = {key: facts[key] and str(facts[key]) for key in _PATHS}
    sentences = {key: facts[key] and without_isolates(facts[key]) for key in _SENTENCES}
    return {**facts, **paths, **sentences}
