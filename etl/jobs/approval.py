"""Approving a plan, so that the next update of its file sends it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.errors import ConfigError, DamagedError
from etl.jobs.guard import exceeded_limits, how_to_sign, why_not_by, why_not_counted
from etl.jobs.signatures import NotSignedError, read_signature, signer_of
from etl.jobs.writing import write_page
from etl.manifest import Approval
from etl.report.sentences import approval_in_words
from etl.rows import Status, rows_left
from etl.runs.folder import RunsFolder
from etl.runs.known import known_runs
from etl.runs.listing import run_of
from etl.runs.lock import locked
from etl.runs.log import logging_to
from etl.runs.reader import JournalReader
from etl.stopping import stop_on_refusal
from etl.text import counted, quote

if TYPE_CHECKING:
    from pathlib import Path

    from etl.config import GuardSettings, Settings
    from etl.manifest import Manifest, Plan
    from etl.runs.folder import RunFolder
    from etl.runs.known import KnownRuns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Approved:
    """A run whose plan was approved; ``sentence`` explains it to people.

    ``already`` means that ``approval`` was given before.
    """

    run: str
    folder: Path
    plan: Plan
    approval: Approval
    already: bool
    sentence: str


@stop_on_refusal()
def approve(
    run: str, settings: Settings, *, note: str = "", signature: Path | None = None
) -> Approved:
    """Let the plan of a run be sent, exactly as it is now; the next update of its file sends it.

    Who approves it, when and where is recorded in the run, which is sealed again.

    Args:
        run: The id of the run, its beginning, or ``latest``.
        settings: See `etl.load_settings`; their section ``[guard]`` says who may approve.
        note: What else to record.
        signature: A file with a signature of the plan's digest, where ``guard.signers`` is set.

    Raises:
        ConfigError: the run has no plan that can be approved, or not by this person; nothing was
            recorded.
        BusyError: another run is using the runs folder.
        DamagedError: the run was modified, so that its plan proves nothing.
        StoppedError: the disk is full, or the system refused something else.
    """
    runs = RunsFolder(settings.runs.dir)
    runs.require_existing()
    folder = runs.find(run)
    with locked(runs.path), known_runs(runs) as known:
        manifest = run_of(folder).manifest
        plan = _plan_to_approve(folder, manifest)
        earlier = _earlier(manifest, settings.guard)
        if earlier is None:
            approval = _approval(plan, manifest, settings.guard, note, signature)
            manifest = manifest.reopened(folder.continued).approve(approval)
            manifest.write(folder.manifest)
        if manifest.sealed is None:  # also if an earlier approval was killed
            _publish(folder, manifest, known)
    approval = earlier or approval
    return Approved(
        run=folder.run,
        folder=folder.path,
        plan=plan,
        approval=approval,
        already=earlier is not None,
        sentence=_sentence(folder.run, manifest, plan, approval, already=earlier is not None),
    )


def _plan_to_approve(folder: RunFolder, manifest: Manifest) -> Plan:
    """Return the plan of a run that waits to be sent.

    Raises:
        ConfigError: there is none.
        DamagedError: the journal is not the one that the manifest is about.
    """
    run, plan = folder.run, manifest.plan
    if manifest.exit_code is None:
        raise ConfigError(
            f"run {run} has not finished, so it has no plan to approve; if it was interrupted, run"
            " its file again"
        )
    if plan is None:
        raise ConfigError(
            f"run {run} has no plan: it did not compare its rows with what Fatora holds; see"
            " fatora-clients plan"
        )
    if not plan.rows:
        raise ConfigError(f"the plan of run {run} changes nothing, so there is nothing to approve")
    if not rows_left({Status(status): count for status, count in manifest.counts.items()}):
        raise ConfigError(f"run {run} has no rows left to send, so there is nothing to approve")
    is_modified = manifest.sealed is not None and not manifest.covers(folder.journal)
    # It may have been modified before a session sealed it again, too.
    is_modified |= any(folder.journal.name in each.modified for each in manifest.earlier)
    with JournalReader(folder.journal) as journal:
        if is_modified or journal.plan(run) != plan:
            raise DamagedError(
                f"the journal of run {run} was modified since its plan was made: see"
                " fatora-clients verify"
            )
    return plan


def _earlier(manifest: Manifest, guard: GuardSettings) -> Approval | None:
    """Return an approval of the plan that counts already, if there is one."""
    approved = manifest.approved
    if approved and why_not_counted(approved, manifest, guard) is None:
        return approved
    return None


def _approval(
    plan: Plan, manifest: Manifest, guard: GuardSettings, note: str, signature: Path | None
) -> Approval:
    """Return the approval of a plan by this user.

    Raises:
        ConfigError: this user may not approve it, or the signature does not count.
    """
    if guard.asks == "never" and exceeded_limits(plan, manifest.rows, guard):
        raise ConfigError(
            f"run {manifest.run} exceeds a limit, and guard.approval is never: check the file, or"
            " raise the limit"
        )
    if guard.signers is None:
        if signature:
            raise ConfigError(
                "a signature cannot be verified without guard.signers, the file of those who may"
                " sign: name the configuration with --config"
            )
        approval = Approval.now(plan.digest, note)
    elif signature is None:
        raise ConfigError(
            f"a signature of the plan is needed: run “{how_to_sign(plan.digest, 'plan.sig')}”, and"
            " approve the run with --signature plan.sig"
        )
    else:
        armored = read_signature(signature)
        try:
            signer = signer_of(armored, plan.digest, guard.signers, datetime.now(UTC))
        except NotSignedError as error:
            raise ConfigError(
                f"run {manifest.run} was not approved: the signature {error}"
            ) from None
        approval = Approval.now(
            plan.digest, note, signer=signer.principal, key=signer.line, signature=armored
        )
    approver = approval.signer or approval.user
    if reason := why_not_by(approver, manifest.makers(), guard):
        raise ConfigError(f"run {manifest.run} was not approved: {reason}")
    return approval


def _publish(folder: RunFolder, manifest: Manifest, known: KnownRuns) -> None:
    """Write the report again, and seal the run."""
    folder.clear_unfinished()
    reworked = known.reworks.open_originals(folder.run) if manifest.reworks else []
    with logging_to(folder.log, folder.run), JournalReader(folder.journal) as journal:
        approved = manifest.approvals[-1]
        log.info("approved", extra={"fields": {"digest": approved.digest, "user": approved.user}})
        write_page(folder, journal, manifest, reworked)
    manifest = manifest.seal(known.newest, folder.hashes())
    manifest.write(folder.manifest)
    known.note(folder, manifest)


def _sentence(
    run: str, manifest: Manifest, plan: Plan, approval: Approval, *, already: bool
) -> str:
    if already:
        return f"Run {run} is already approved: {approval_in_words(approval)}"
    again = f"update with {quote(manifest.input.name)}"
    if manifest.undoes:
        again = f"undo {manifest.undoes}"
    return (
        f"Run {run} is approved: {counted(plan.rows, 'row')} to change. To send exactly these"
        f" changes, run fatora-clients {again} again."
    )
