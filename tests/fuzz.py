"""Reads damaged spreadsheets without end: ``python tests/fuzz.py --inputs N --seed N --seconds N``.

Each input is a randomly damaged file of the corpus. The program must return rows or one sentence
within ten seconds; anything else is a fault of the program, and the input is kept.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from etl.errors import InputError
from etl.extract.table import open_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Mutation: TypeAlias = Callable[[random.Random, bytes, bytes], bytes]

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 10.0  # seconds

# What is dangerous at one place or another of a spreadsheet.
_TOKENS = (
    b'"', b"'", b",", b";", b"\t", b"\r", b"\n", b"\0", b"\x1a", b"\xff\xfe", b"\xef\xbb\xbf",
    b"sep=;\n", b"\xd3", b"<", b">", b"/>", b"&", b"&#0;", b"&lt;", b"]]>", b"<![CDATA[", b"<!--",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"-1", b"0", b"1E400", b"nan", b"inf", b"1_0",
    b"99999999999999999999", b"2958466", b"-0.5", b'r="XFD1048576"', b'r="A0"', b'r="AAAA1"',
    b't="s"', b't="d"', b't="e"', b't="b"', b't="str"', b't="n"', b's="-1"', b's="999999"',
    b'hidden="1"', b"<f/>", b"<v/>", b"<v>", b"</v>", b"</c>", b"</row>", b"<c>", b"<row>", b"x:",
    b'<mergeCell ref="A1:XFD1048576"/>', b'<mergeCell ref="B2:A1"/>', b"_x000D_", b"_xD800_",
    b"0000", b"General", b"dd/mm/yyyy", b"[h]:mm", b";;;", b"0.00E+00", b"#,##0", b"[Red]", b"\\",
    b"@", b"?", b"%", b"AM/PM", b"mmmmm", b'date1904="1"', b"../", b'encoding="utf-16"',
)  # fmt: skip

_VALUE = re.compile(rb"(?<=>)[^<>]+(?=<)|(?<=\")[^\"<>]*(?=\")|(?<=')[^'<>]*(?=')")


def _flip(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start, end = _chunk(chance, data)
    return chance.choice((data[:start], data[start:], data[:start] + data[end:]))


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _chunk(chance, other)
    place = chance.randrange(len(data))
    return data[:place] + other[start:end] + data[chance.choice((place, len(data))) :]


def _repeat(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    start, end = _chunk(chance, data)
    times = chance.choice((2, 3, 50))
    return data[:start] + data[start:end][:2000] * times + data[end:]


def _insert(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    place = chance.randrange(len(data))
    replaced = chance.choice((0, 0, 1, 4))
    return data[:place] + chance.choice(_TOKENS) + data[place + replaced :]


def _change_number(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    places = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    place = chance.choice(places)
    return data[:place] + chance.choice(_TOKENS) + data[place + 1 :]


def _replace_value(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """Put something odd where XML has a value; it stays XML."""
    values = list(_VALUE.finditer(data))
    if not values:
        return data
    start, end = chance.choice(values).span()
    token = chance.choice(_TOKENS).replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    return data[:start] + token.replace(b'"', b"&quot;").replace(b"'", b"&apos;") + data[end:]


_MUTATIONS: Sequence[Mutation] = (
    _flip, _overwrite, _cut, _splice, _repeat, _insert, _insert, _change_number,
    _replace_value, _replace_value, _replace_value,
)  # fmt: skip
_ENCODINGS = (None, None, None, "cp1256", "utf-16", "latin-1", "utf-16-le")
_PACKED = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _chunk(chance: random.Random, data: bytes) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 4, 16, 64, 256, 4096)))


def _mutated(chance: random.Random, data: bytes, other: bytes) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not data or not other:
            return data
        data = chance.choice(_MUTATIONS)(chance, data, other)
    return data


def _repacked(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """Return the workbook with one of its parts damaged, in a package that is whole."""
    parts, others = _parts(data), _parts(other)
    damaged = chance.choice(sorted(parts))
    if chance.random() < 0.6:  # most rules are about these
        wanted = ("sheet", "sharedStrings", "styles")
        damaged = chance.choice([name for name in sorted(parts) if any(map(name.count, wanted))])
    if chance.random() < 0.05:
        del parts[damaged]
    else:
        parts[damaged] = _mutated(chance, parts[damaged], others.get(damaged, b"<a/>"))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in parts.items():
            part = zipfile.ZipInfo(name)
            part.compress_type = chance.choice(_PACKED) if name == damaged else _PACKED[0]
            archive.writestr(part, content)
    return made.getvalue()


def _parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _seeds() -> list[tuple[str, bytes, bool]]:
    """Return each file of the corpus: its ending, its bytes, and whether it can be repacked."""
    seeds = []
    for path in sorted(CORPUS.iterdir()):
        data = path.read_bytes() if path.suffix in {".csv", ".txt", ".xlsx"} else b""
        if not data:
            continue
        try:
            whole = "xl/workbook.xml" in _parts(data)
        except Exception:  # noqa: BLE001 - the corpus has damaged files too
            whole = False
        seeds.append((path.suffix, data, whole))
    return seeds


def fuzz(inputs: int, seed: int, keep: Path, until: float = float("inf")) -> Counter[str]:
    """Read this many damaged files, and return how often each result occurred.

    Faults of the program begin with ``FAULT``; the files that cause them are kept in ``keep``.
    Nothing is started after the monotonic time ``until``.
    """
    chance = random.Random(seed)  # noqa: S311 - chance, not secrets
    seeds = _seeds()
    rich = [seed for seed in seeds if len(seed[1]) > 3_000]  # real programs wrote these
    whole = [data for _, data, is_whole in seeds if is_whole]
    outcomes: Counter[str] = Counter()
    for number in range(inputs):
        if time.monotonic() > until:
            break
        ending, data, is_whole = chance.choice(seeds)
        if len(data) < 3_000 and chance.random() < 0.3:
            ending, data, is_whole = chance.choice(rich)
        if is_whole and chance.random() < 0.85:
            data = _repacked(chance, data, chance.choice(whole))
        else:
            data = _mutated(chance, data, chance.choice(seeds)[1])
        path = keep / f"{seed}-{number}{ending}"
        path.write_bytes(data)
        outcome = _outcome(path, chance.choice(_ENCODINGS))
        outcomes[outcome] += 1
        if not outcome.startswith("FAULT") or outcomes[outcome] > 3:
            path.unlink()
    return outcomes


def _outcome(path: Path, encoding: str | None) -> str:
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_table(path, encoding=encoding) as table:
                rows = sum(1 for _ in table.records)
        outcome = "rows" if rows else "no rows"
    except InputError as error:
        several = "\n" in str(error)
        outcome = f"FAULT: lines in a sentence {error}" if several else "refused"
    except Exception as error:  # noqa: BLE001 - to find these is what this is for
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = "" if frame is None else f"{frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}"
        outcome = f"FAULT: {type(error).__name__} in {place} ({str(error)[:80]})"
    if time.monotonic() - start > LONGEST:
        outcome = f"FAULT: more than {LONGEST:.0f} seconds"
    return outcome


def main() -> int:
    """Read as many as the command line asks for, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=36_000, help="after which no other is started"
    )
    asked = parser.parse_args()
    keep = Path(tempfile.mkdtemp(prefix="fuzz-"))
    outcomes = fuzz(asked.inputs, asked.seed, keep, time.monotonic() + asked.seconds)
    for outcome, count in outcomes.most_common():
        print(f"{count:8} {outcome}")  # noqa: T201 - a script speaks to its user
    failed = any(outcome.startswith("FAULT") for outcome in outcomes)
    where = f"; the inputs that failed are in {keep}" if failed else ""
    print(f"{outcomes.total():8} inputs, seed {asked.seed}{where}")  # noqa: T201 - the same
    if not failed:
        keep.rmdir()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
