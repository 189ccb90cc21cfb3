"""The guard: how much a plan may change before somebody must approve it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.text import counted

if TYPE_CHECKING:
    from etl.config import GuardSettings
    from etl.manifest import Manifest, Plan

_FEWEST = 10  # rows; the share of fewer says nothing


def why_held_back(plan: Plan, manifest: Manifest, guard: GuardSettings) -> str | None:
    """Return why a plan may not be sent, in full sentences, or None if it may.

    A plan that was approved may be sent, as long as its digest is the same.
    """
    if not plan.rows or any(each.digest == plan.digest for each in manifest.approvals):
        return None
    exceeded = " ".join(exceeded_limits(plan, manifest.rows, guard))
    if not exceeded and guard.approval != "always":
        return None
    if guard.approval == "never":
        return f"{exceeded} Check the file, or raise the limit in the section [guard]."
    why = exceeded or f"{counted(plan.rows, 'change')} must be approved."
    if manifest.approvals:
        why += " The plan that was approved has changed since."
    return f"{why} To let it go, run: fatora-clients approve {manifest.run}"


def exceeded_limits(plan: Plan, rows: int, guard: GuardSettings) -> list[str]:
    """Return a sentence for each limit that a plan exceeds; ``rows`` is how many were read."""
    if rows < _FEWEST:
        return []
    of_all = f"of {counted(rows, 'row')}"
    sentences = []
    if _exceeds(plan.rows, rows, guard.changed):
        sentences.append(f"{plan.rows:,} {of_all} would change their client;{_most(guard.changed)}")
    if _exceeds(plan.emptying, rows, guard.cleared):
        field, number = max(plan.emptied.items(), key=lambda item: item[1])
        some = f"{number:,} {of_all} would lose their {field}"
        if number < plan.emptying:
            some = f"{plan.emptying:,} {of_all} would lose a value, most of them their {field}"
        sentences.append(f"{some};{_most(guard.cleared)}")
    return sentences


def _exceeds(number: int, rows: int, limit: int | str | None) -> bool:
    if limit is None:
        return False
    if isinstance(limit, int):
        return number > limit
    return 100 * number > float(limit.rstrip(" %")) * rows


def _most(limit: int | str | None) -> str:
    return f" at most {limit:,} may." if isinstance(limit, int) else f" at most {limit} may."
