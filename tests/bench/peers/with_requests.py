"""The usual script: pandas reads the file, a pool of threads shares a session of requests.

``python with_requests.py URL ROWS.CSV WORKERS [CA.PEM]``, like every peer; the token is in the
environment.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import requests
from requests.adapters import HTTPAdapter


def main(url: str, rows: str, workers: str, bundle: str | None = None) -> None:
    """Send every row."""
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=int(workers))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["Authorization"] = f"Bearer {os.environ['FATORA_BEARER_TOKEN']}"
    session.verify = bundle or True

    def send(row: dict[str, str]) -> None:
        answer = session.put(f"{url}/clients/{row.pop('id')}", json=row, timeout=30)
        answer.raise_for_status()
        if answer.json()["status"] != "SUCCESS":
            raise ValueError(answer.text)

    table = pd.read_csv(rows, dtype=str, keep_default_na=False)
    with ThreadPoolExecutor(int(workers)) as pool:
        list(pool.map(send, table.to_dict("records")))


if __name__ == "__main__":
    main(*sys.argv[1:])
