"""The chain of all runs: each manifest names the one that was sealed before it.

A manifest is sealed again when its run is resumed or pruned; the seal that it had stays a link, for
which its later versions vouch. So whatever was sealed is named by what was sealed next, but for the
newest: to know that this one is as it was takes a copy of its hash that is kept elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.runs.manifest import Seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from etl.runs.manifest import Manifest


def newest(manifests: Iterable[Manifest]) -> Seal | None:
    """Return the seal that the next one is to name: the one that none names yet."""
    return max(_unnamed(dict(_links(manifests))), key=lambda seal: seal.run, default=None)


def breaks(manifests: Iterable[Manifest]) -> Iterator[str]:
    """Yield what is wrong with the chain, a sentence each."""
    links = dict(_links(manifests))
    runs = {seal.run for seal in links}
    for seal, previous in links.items():
        if previous is None or previous in links:
            continue
        if previous.run in runs:
            yield f"{previous.run}: its manifest is not the one that {seal.run} was sealed after"
        else:
            yield f"{previous.run}: this run is gone; {seal.run} was sealed after it"
    for seal in sorted(_unnamed(links), key=lambda seal: seal.run)[:-1]:
        yield f"{seal.run}: nothing was sealed after its manifest as it is now"
    if sum(previous is None for previous in links.values()) > 1:
        yield "several runs say that they are the first"


def _links(manifests: Iterable[Manifest]) -> Iterator[tuple[Seal, Seal | None]]:
    """Yield every seal there was, and what it came after."""
    for each in manifests:
        for version in each.earlier:
            yield Seal(each.run, version.sha256), version.previous
        if each.sealed:
            yield Seal(each.run, each.sha256), each.previous


def _unnamed(links: Mapping[Seal, Seal | None]) -> set[Seal]:
    return set(links) - set(links.values())
