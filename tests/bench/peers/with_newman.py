"""The same with Newman, which replaces this process: one iteration per row.

It sends one request after the other, however many workers there are.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path


def _collection(url: str) -> dict[str, object]:
    request = {
        "method": "PUT",
        "url": f"{url}/clients/{{{{id}}}}",
        "header": [
            {"key": "Content-Type", "value": "application/json"},
            {"key": "Authorization", "value": f"Bearer {os.environ['FATORA_BEARER_TOKEN']}"},
        ],
        "body": {"mode": "raw", "raw": "{{body}}"},
    }
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    return {"info": {"name": "update", "schema": schema}, "item": [{"request": request}]}


def main(url: str, rows: str, _workers: str, bundle: str | None = None) -> None:
    """Write Newman's collection and data, and run Newman in place of this process."""
    collection, data = (Path(rows).with_suffix(end) for end in (".collection.json", ".data.json"))
    with Path(rows).open(encoding="utf-8", newline="") as file:
        iterations = [
            {"id": row.pop("id"), "body": json.dumps(row, ensure_ascii=False)}
            for row in csv.DictReader(file)
        ]
    collection.write_text(json.dumps(_collection(url)), encoding="utf-8")
    data.write_text(json.dumps(iterations), encoding="utf-8")
    command = ["newman", "run", str(collection), "--iteration-data", str(data), "--bail"]
    trusted = ["--ssl-extra-ca-certs", bundle] if bundle else []
    os.execvp("newman", [*command, "--silent", *trusted])  # noqa: S606, S607


if __name__ == "__main__":
    main(*sys.argv[1:])
