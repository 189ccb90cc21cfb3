"""The same with aiohttp: as many coroutines as there are workers, in one thread."""

from __future__ import annotations

import asyncio
import csv
import os
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator


async def _send(session: aiohttp.ClientSession, url: str, rows: Iterator[dict[str, str]]) -> None:
    for row in rows:
        async with session.put(f"{url}/clients/{row.pop('id')}", json=row) as answer:
            answer.raise_for_status()
            if (await answer.json())["status"] != "SUCCESS":
                raise ValueError(await answer.text())


async def _send_all(url: str, rows: Path, workers: int, bundle: str | None) -> None:
    tls = ssl.create_default_context(cafile=bundle) if bundle else True
    headers = {"Authorization": f"Bearer {os.environ['FATORA_BEARER_TOKEN']}"}
    connector = aiohttp.TCPConnector(limit=workers, ssl=tls)
    with rows.open(encoding="utf-8", newline="") as file:
        source = csv.DictReader(file)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await asyncio.gather(*(_send(session, url, source) for _ in range(workers)))


def main(url: str, rows: str, workers: str, bundle: str | None = None) -> None:
    """Send every row."""
    asyncio.run(_send_all(url, Path(rows), int(workers), bundle))


if __name__ == "__main__":
    main(*sys.argv[1:])
