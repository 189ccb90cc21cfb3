"""The guard: how much a plan may change before somebody must approve it, and who may do that."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from etl.jobs.signatures import NAMESPACE, NotSignedError, signer_of
from etl.text import counted, isolated

if TYPE_CHECKING:
    from etl.config import GuardSettings, Settings
    from etl.manifest import Approval, Manifest, Plan

_FEWEST = 10  # rows; the share of fewer says nothing


def why_held_back(plan: Plan, manifest: Manifest, settings: Settings) -> str | None:
    """Return why a plan may not be sent, in full sentences, or None if it may.

    Unless ``guard.approval`` is "never", it may be sent as soon as somebody approves it.
    """
    guard = settings.guard
    exceeded = " ".join(exceeded_limits(plan, manifest.rows, guard))
    if not plan.rows or not (exceeded or guard.asks == "always"):
        return None
    if guard.asks == "never":
        return f"{exceeded} Check the file, or raise the limit in the section [guard]."
    why = exceeded or f"The changes of {counted(plan.rows, 'row')} must be approved."
    approvals = [each for each in manifest.approvals if each.digest == plan.digest]
    try:
        complaints = [why_not_counted(each, manifest, guard) for each in approvals]
    except ConfigError as error:
        return f"{why} The approval could not be verified: {error}."
    if None in complaints:
        return None
    if complaints:
        why += f" The approval does not count: {complaints[-1]}."
    elif manifest.approvals:
        why += " The plan has changed since it was approved."
    return f"{why} {_how_to_approve(plan, manifest.run, settings)}"


def exceeded_limits(plan: Plan, rows: int, guard: GuardSettings) -> list[str]:
    """Return a sentence for each limit that a plan exceeds; ``rows`` is how many the file has.

    Shares are of the rows whose clients were read: in a file whose columns have shifted, most rows
    may be INVALID, and they must not hide what the others do.
    """
    if rows < _FEWEST:
        return []
    rows = plan.compared
    sentences = []
    if _exceeds(plan.rows, rows, guard.changed):
        would = f"would change {_their(plan.rows)} client"
        sentences.append(f"{_share(plan.rows, rows)} {would}; {_most(guard.changed)}.")
    if _exceeds(plan.emptying, rows, guard.cleared):
        field, number = max(plan.emptied.items(), key=lambda item: item[1])
        would = f"would lose {_their(plan.emptying)} {field}"
        if number < plan.emptying:
            would = f"would lose a value, {number:,} of them the {field}"
        sentences.append(f"{_share(plan.emptying, rows)} {would}; {_most(guard.cleared)}.")
    return sentences


def why_not_counted(approval: Approval, manifest: Manifest, guard: GuardSettings) -> str | None:
    """Return why an approval does not let a plan be sent by these settings, or None if it does.

    The signature is verified with the file of signers as it is now.

    Raises:
        ConfigError: it cannot be verified.
    """
    if guard.signers is None:
        approver = approval.signer or approval.user
    elif not approval.signature:
        return f"{isolated(approval.user)} gave no signature"
    else:
        try:
            now = datetime.now(UTC)
            signer = signer_of(approval.signature, approval.digest, guard.signers, now)
        except NotSignedError as error:
            return f"the signature {error}"
        approver = signer.principal
    return why_not_by(approver, manifest.makers(approval.time), guard)


def why_not_by(approver: str, makers: set[str], guard: GuardSettings) -> str | None:
    """Return why this person may not approve a plan of these makers, or None if they may.

    With a signature it is the signer who approves, whoever hands it over. A signer's name may be an
    e-mail address of the user who made the plan.
    """
    if guard.two_persons and {approver, approver.partition("@")[0]} & makers:
        return f"{isolated(approver)} made this plan, so somebody else must approve it"
    return None


def how_to_sign(digest: str, file: str) -> str:
    """Return the command that signs a digest and writes the signature to a file."""
    return f"echo {digest} | ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519 > {file}"


def _how_to_approve(plan: Plan, run: str, settings: Settings) -> str:
    approve = ["fatora-clients", "approve", run, *settings.as_options]
    if settings.guard.signers is None:
        return f"To approve these changes, run “{shlex.join(approve)}”."
    sign = how_to_sign(plan.digest, "plan.sig")
    approve += ["--signature", "plan.sig"]
    return f"To approve these changes, sign the digest: “{sign}”. Then run “{shlex.join(approve)}”."


def _exceeds(number: int, rows: int, limit: int | str | None) -> bool:
    if limit is None:
        return False
    if isinstance(limit, int):
        return number > limit
    return 100 * number > float(limit.rstrip(" %")) * rows


def _share(number: int, rows: int) -> str:
    return f"{number:,} of {counted(rows, 'row')}"


def _their(number: int) -> str:
    return "its" if number == 1 else "their"


def _most(limit: int | str | None) -> str:
    return f"at most {limit:,} may" if isinstance(limit, int) else f"at most {limit} may"
