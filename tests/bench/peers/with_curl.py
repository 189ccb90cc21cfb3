"""The same with ``curl --parallel``, which replaces this process: one request per row."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path


def _request(url: str, row: dict[str, str], bundle: str | None) -> str:
    options = {
        "url": f"{url}/clients/{row.pop('id')}",
        "request": "PUT",
        "header": "Content-Type: application/json",
        "oauth2-bearer": os.environ["FATORA_BEARER_TOKEN"],
        "data-binary": json.dumps(row, ensure_ascii=False),
        "output": os.devnull,
    }
    if bundle:
        options["cacert"] = bundle
    lines = [f"{name} = {_quoted(value)}" for name, value in options.items()]
    return "\n".join([*lines, "http1.1", "fail"])


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main(url: str, rows: str, workers: str, bundle: str | None = None) -> None:
    """Write curl's configuration, and run curl in place of this process."""
    config = Path(rows).with_suffix(".curl")
    with Path(rows).open(encoding="utf-8", newline="") as file:
        requests = [_request(url, row, bundle) for row in csv.DictReader(file)]
    config.write_text("\nnext\n".join(requests), encoding="utf-8")
    options = ["-q", "--silent", "--show-error", "--parallel", "--parallel-immediate"]
    os.execvp("curl", ["curl", *options, "--parallel-max", workers, "--config", str(config)])  # noqa: S606, S607


if __name__ == "__main__":
    main(*sys.argv[1:])
