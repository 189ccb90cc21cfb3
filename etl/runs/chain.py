"""The chain of all runs: each manifest names the one that was sealed before it.

A run that is resumed or pruned is sealed again. Its new manifest lists its earlier seals, which
stay links of the chain. So every seal is named by the next one, except the newest: only a copy that
is kept elsewhere can show whether that one was replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from etl.manifest import Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from etl.manifest import Manifest

    Links: TypeAlias = Mapping[Seal, Seal | None]  # each seal, and the one before it


def newest(manifests: Iterable[Manifest]) -> Seal | None:
    """Return the seal that the next one must name: the one that no other names yet.

    If the chain is broken there may be several. Then it is one that was sealed after the missing
    manifest, and of these the one with the most seals before it.
    """
    links = dict(_links(manifests))
    unnamed = links.keys() - set(links.values())
    return max(unnamed, key=lambda seal: _rank(_line(links, seal), links), default=None)


def breaks(manifests: Iterable[Manifest]) -> dict[str, str]:
    """Return the runs whose manifests break the chain, each with what is wrong."""
    manifests = list(manifests)
    links = dict(_links(manifests))
    runs = {manifest.run for manifest in manifests}
    found = {}
    for seal, previous in links.items():
        if previous is not None and previous not in links:
            lost = "modified since" if previous.run in runs else "missing, but"
            found[previous.run] = f"{lost} run {seal.run} was sealed after it"
    # A missing manifest leaves others unlinked, which must not be blamed for it.
    return found or _not_linked(links, newest(manifests))


def _not_linked(links: Links, last: Seal | None) -> dict[str, str]:
    line = _line(links, last)
    found = {seal.run: "not linked to the other runs" for seal in links.keys() - set(line)}
    if line and links[line[-1]] is not None:
        found[line[-1].run] = "the chain has no first run"
    return found


def _links(manifests: Iterable[Manifest]) -> Iterator[tuple[Seal, Seal | None]]:
    for each in manifests:
        for version in each.earlier:
            yield Seal(each.run, version.sha256), version.previous
        if each.sealed_as:
            yield Seal(each.run, each.sealed_as), each.previous


def _line(links: Links, last: Seal | None) -> list[Seal]:
    """Return the seals from the last one back to the first, or to where the chain is broken."""
    line: dict[Seal, None] = {}
    while last is not None and last in links and last not in line:
        line[last] = None
        last = links[last]
    return list(line)


def _rank(line: list[Seal], links: Links) -> tuple[bool, int, str]:
    return links[line[-1]] is not None, len(line), line[0].run
