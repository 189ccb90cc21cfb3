"""The chain of all runs: each manifest names the one that was sealed before it.

A run that is resumed or pruned is sealed again. Its new manifest lists its earlier seals, which
stay links of the chain. Every seal except the newest is therefore named by the next one. Only a
copy of the newest seal that is kept elsewhere can show whether that one was replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from etl.manifest import Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from etl.manifest import Manifest

    Links: TypeAlias = Mapping[Seal, Seal | None]  # each seal, and the one before it


def newest(manifests: Iterable[Manifest]) -> Seal | None:
    """Return the newest seal, which no other seal names yet and which the next one must name.

    A broken chain may have several unnamed seals. The newest is then one that was sealed after the
    missing manifest and, of several such seals, the one with the most seals before it.
    """
    links = dict(_links(manifests))
    unnamed = links.keys() - set(links.values())

    def rank(seal: Seal) -> tuple[bool, int, str]:
        line = _line(links, seal)
        follows_a_gap = links[line[-1]] is not None
        return follows_a_gap, len(line), seal.run

    return max(unnamed, key=rank, default=None)


def breaks(manifests: Iterable[Manifest]) -> dict[str, str]:
    """Return what is wrong with each run whose manifest breaks the chain, by the run's id."""
    manifests = list(manifests)
    links = dict(_links(manifests))
    runs = {manifest.run for manifest in manifests}
    problems = {}
    for seal, previous in links.items():
        if previous is not None and previous not in links:
            lost = "modified since" if previous.run in runs else "missing, but"
            problems[previous.run] = f"{lost} run {seal.run} was sealed after it"
    if problems:  # a missing manifest leaves others unlinked, which must not be blamed for it
        return problems
    line = _line(links, newest(manifests))
    problems = {seal.run: "not linked to the other runs" for seal in links.keys() - set(line)}
    if line and links[line[-1]] is not None:
        problems[line[-1].run] = "the chain has no first run"
    return problems


def _links(manifests: Iterable[Manifest]) -> Iterator[tuple[Seal, Seal | None]]:
    """Yield each seal that a manifest has or had, with the seal that it names."""
    for manifest in manifests:
        for version in manifest.earlier:
            yield Seal(manifest.run, version.sha256), version.previous
        if manifest.sealed_as:
            yield Seal(manifest.run, manifest.sealed_as), manifest.previous


def _line(links: Links, last: Seal | None) -> list[Seal]:
    """Return the seals from the last one back to the first, or to where the chain is broken."""
    line: dict[Seal, None] = {}
    while last is not None and last in links and last not in line:
        line[last] = None
        last = links[last]
    return list(line)
