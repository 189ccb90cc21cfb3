"""The same with dlt: a custom destination, to which one file per worker is loaded."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Any

import dlt
import requests


def main(url: str, rows: str, workers: str, bundle: str | None = None) -> None:
    """Send every row."""
    with Path(rows).open(encoding="utf-8", newline="") as file:
        clients = list(csv.DictReader(file))
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS"] = str(len(clients) // int(workers) + 1)
    session = requests.Session()
    session.mount("", requests.adapters.HTTPAdapter(pool_maxsize=int(workers)))
    session.headers["Authorization"] = f"Bearer {os.environ['FATORA_BEARER_TOKEN']}"
    session.verify = bundle or True

    def api(batch: list[dict[str, Any]], _table: object) -> None:
        for row in batch:
            answer = session.put(f"{url}/clients/{row.pop('id')}", json=row, timeout=30)
            answer.raise_for_status()
            if answer.json()["status"] != "SUCCESS":
                raise ValueError(answer.text)

    destination = dlt.destination(
        batch_size=100,
        max_parallel_load_jobs=int(workers),
        naming_convention="direct",
        skip_dlt_columns_and_tables=True,
    )(api)
    pipeline = dlt.pipeline("update", destination=destination, pipelines_dir=f"{rows}.dlt")
    pipeline.run(clients, table_name="clients").raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
