"""The documentation matches the program."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from dataclasses import fields, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from markdown_it import MarkdownIt

from etl.cli import COMMANDS, run
from etl.codes import Code
from etl.config import Settings, load_settings
from etl.errors import ExitCode
from etl.extract.header import ALIASES
from etl.fields import Field, ResultColumn
from etl.jobs.history import APPROVED, ONLY_PLANNED, outcome_of
from etl.jobs.summary import Summary
from etl.manifest import InputFacts, Manifest
from etl.report.sentences import NEEDS_APPROVAL
from etl.rows import OpenRows, Status, Totals
from etl.runs.lock import Holder
from etl.version import __version__
from pictures import CHROMIUM, PICTURES, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.sandbox.server import Sandbox
    from program import Program

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
README, CONTRIBUTING, REFERENCE, ON_CALL, DEPLOYMENT, OPERATIONS, OPERATIONS_IN_ARABIC = (
    path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        DOCS / "reference.md",
        DOCS / "on-call.md",
        DOCS / "deployment.md",
        DOCS / "operations.md",
        DOCS / "operations.ar.md",
    )
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXAMPLE = ROOT / "configs" / "job.toml"
MARKDOWN = MarkdownIt().enable("table")

VARIABLES = ["FATORA_API_URL", "FATORA_RUNS_DIR", "FATORA_CONFIG"] + [
    name + ending for name in ("FATORA_API_KEY", "FATORA_BEARER_TOKEN") for ending in ("", "_FILE")
]
JSON_KEYS = {field.name for field in chain(fields(Summary), fields(Totals))} - {"totals", "skipped"}

# Words and phrases that are hard for people who read English as a second language.
HARD_ENGLISH = re.compile(
    r"\b(stands? in|stand-in|told any more|all told|mend(s|ed)?|(?<!there )is no|begun"
    r"|as it was written|what became of)\b",
    re.IGNORECASE,
)
PAPER = """<!doctype html><meta charset="utf-8"><style>
  @page { size: A4; margin: 15mm } body { font: 10pt/1.3 sans-serif; margin: 0 }
  h1 { font-size: 17pt; margin: 0 } h2 { font-size: 12pt; margin: 12pt 0 0 }
  table { border-collapse: collapse } th, td { border: 1px solid; padding: 2pt 6pt }
</style>"""


def parameters() -> Iterator[tuple[str, str]]:
    """Yield every option of every command."""
    for name in COMMANDS:
        command: click.Command = import_module(f"etl.commands.{name}").command
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter.opts[-1]


def keys(values: dict[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of nested settings."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def json_keys(value: object) -> Iterator[str]:
    """Yield every key within a value that was read from JSON."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        yield from chain.from_iterable(map(json_keys, value))


SETTINGS = {
    re.sub(r"^columns.[a-z]+", "columns.<field>", key)
    for key in keys(Settings().model_dump(mode="json"))
}


def table(heading: str, page: str = REFERENCE) -> str:
    """Return the part of a page below a heading."""
    (part,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", page, re.MULTILINE | re.DOTALL)
    return str(part)


def without_code(page: str) -> str:
    """Return a page without what is quoted from the program, a shell or a file."""
    return re.sub(r"^ *```.*?^ *```|`[^`\n]*(`[ ;]+`)?`?", "", page, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def blocks(page: str) -> list[str]:
    """Return the kinds of a page's blocks, in their order."""
    tokens = MARKDOWN.parse(page)
    return [token.type for token in tokens if token.type != "html_block"]


@pytest.mark.parametrize("command", COMMANDS)
def test_reference_names_every_command(command: str) -> None:
    """The reference has every command."""
    assert f"\n| `fatora-clients {command}" in REFERENCE


def test_reference_names_every_option_and_no_other() -> None:
    """Each option is in the table of options, with exactly the commands that take it."""
    rows = re.findall(r"^\| `(--[a-z-]+)[^|]*` \| ([a-z, ]+) \|", REFERENCE, re.MULTILINE)
    named = [(command, option) for option, commands in rows for command in commands.split(", ")]
    assert sorted(named) == sorted(parameters())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_command_lines_can_be_typed(path: Path) -> None:
    """Each command line in a code block names a command, and only options that it has."""
    page = path.read_text(encoding="utf-8")
    code = "".join(re.findall(r"^ *```\w*\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL))
    known = set(parameters())
    for line in re.findall(r"fatora-clients ([a-z].*)$", code, re.MULTILINE):
        command, *arguments = shlex.split(line, comments=True)
        options = {each for each in arguments if each.startswith("--")}
        if command in COMMANDS:
            assert {(command, option) for option in options} <= known


@pytest.mark.parametrize("name", VARIABLES)
def test_reference_names_every_environment_variable(name: str) -> None:
    """Each variable that the program reads is in the reference."""
    assert f"`{name}`" in table("Environment variables")


def test_program_reads_no_other_environment_variable() -> None:
    """The list above is complete: no other such name is in the program."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "etl").rglob("*.py"))
    assert set(re.findall(r"FATORA_[A-Z_]*[A-Z]", source)) <= set(VARIABLES)


def test_reference_names_every_configuration_key_and_no_other() -> None:
    """Each key is in the table of settings, those of the columns once for all fields."""
    assert set(re.findall(r"^\| `([a-z_.<>]+)` \|", table("Settings"), re.MULTILINE)) == SETTINGS


@pytest.mark.parametrize("page", [README, ON_CALL], ids=["README", "on-call"])
def test_exit_codes_are_explained(page: str) -> None:
    """The newcomer and the engineer on call find every exit code, and no other, in a table."""
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert codes == list(ExitCode)


def test_reference_explains_every_results_column() -> None:
    """The columns are explained as the program explains them, in their order."""
    rows = re.findall(r"^\| `(update_\w+)` \| (.+) \|$", table("Results"), re.MULTILINE)
    assert rows == [(column.header, column.value) for column in ResultColumn]


@pytest.mark.parametrize("page", [README, table("Statuses")], ids=["README", "reference"])
def test_statuses_are_explained(page: str) -> None:
    """The statuses are explained as the summary explains them, in their order."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", page, re.MULTILINE)
    assert rows == [(str(status), status.meaning) for status in Status]


@pytest.mark.parametrize("page", [OPERATIONS, OPERATIONS_IN_ARABIC], ids=["English", "Arabic"])
def test_operations_find_every_status(page: str) -> None:
    """Operations find what each status means for them."""
    assert re.findall(r"^\| ([A-Z_]+) \|", page, re.MULTILINE) == list(Status)


def test_reference_explains_every_code() -> None:
    """The codes have the meaning and the fix that the results file gives, in their order."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+) \| (.+) \|$", table("Codes"), re.MULTILINE)
    assert rows == [(code.name, code.meaning, code.fix) for code in Code]


@pytest.mark.parametrize("field", Field)
def test_reference_names_every_header_alias(field: Field) -> None:
    """Operations can look up by which names a column is found, and whether it is required."""
    required = "yes" if field.required else "no"
    assert f"\n| `{field}` | {required} | {', '.join(ALIASES[field])} |\n" in table("Columns")


def test_reference_names_every_key_of_the_json_summary_and_no_other() -> None:
    """The reference has every key of the JSON summary."""
    named = re.findall(r"^\| `(\w+)` \|", table("JSON"), re.MULTILINE)
    assert sorted(named) == sorted(JSON_KEYS)
    assert all(f"`{field.name}`" in table("JSON") for field in fields(OpenRows))


def test_reference_names_every_key_of_the_other_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reference has every key of the JSON that the other commands print."""
    monkeypatch.chdir(tmp_path)
    sample, unusable = str(ROOT / "data" / "clients.csv"), str(ROOT / "Makefile")
    run(["update", sample, unusable, "--sandbox", "--quiet"])
    of_manifest = {field.name for field in fields(Manifest)}
    keys_printed: set[str] = set()
    for arguments in (
        ["check", sample],
        ["verify", "--all"],
        ["history"],
        ["history", "--client", "1001"],
        ["show", "latest"],
    ):
        capfd.readouterr()
        run([*arguments, "--json"])
        printed = json.loads(capfd.readouterr().out)
        if arguments[0] == "show":
            printed = {key: value for key, value in printed.items() if key not in of_manifest}
        keys_printed |= set(json_keys(printed))
    named = re.findall(r"`([a-z_0-9]+)`", table("JSON"))
    assert keys_printed - {*Field, *Status} <= set(named)


def test_reference_explains_every_result_in_the_history() -> None:
    """What `history` calls a run is explained, and nothing else is."""
    manifest = Manifest("run", "https://api.fatora.io/v1", InputFacts("a.csv", 1, ""), 1, 0, 0)
    results = [
        outcome_of(replace(manifest, exit_code=code), OpenRows("run", "a.csv", to_fix, 0), holder)
        for code, to_fix, holder in (
            (ExitCode.DONE, 0, None),
            (ExitCode.NOT_ALL_UPDATED, 1, None),
            (ExitCode.NOT_ALL_UPDATED, 0, None),
            (ExitCode.STOPPED, 0, None),
            (ExitCode.USAGE, 0, None),
            (None, 0, Holder()),
            (None, 0, None),
        )
    ]
    explained = re.findall(r"^\| ([a-z ]+) \| ", table("Commands"), re.MULTILINE)
    comparing = ["all up to date", ONLY_PLANNED, NEEDS_APPROVAL.lower(), APPROVED]
    assert explained == ["command", "result", *results, *comparing, "could not be used"]


def test_readme_shows_what_a_plan_its_approval_and_its_undo_print(
    tmp_path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The path from the plan to the undo prints what the README shows, but for ids and times."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("FATORA_API_URL", sandbox.url)
    (path,) = re.findall(r"^\$ printf 'id,email.*?^```", README, re.MULTILINE | re.DOTALL)
    steps = re.findall(r"^\$ (.+)\n((?:(?!\$ |```).*\n)*)", path, re.MULTILINE)
    assert len(steps) == 8
    for command, shown in steps:
        capfd.readouterr()
        if command.startswith("printf"):
            subprocess.run(["/bin/sh", "-c", command], check=True)
        else:
            run(shlex.split(command)[1:])
        assert _timeless(capfd.readouterr().out) == _timeless(shown)


def _timeless(printed: str) -> str:
    """Return what was printed with every time and run id the same."""
    return re.sub(r"\d{8}T[\d.]+Z(-[0-9a-f]{6})?|\d{4}-\d\d-\d\d \d\d:\d\d", "…", printed)


def test_readme_begins_with_the_two_commands_of_the_makefile() -> None:
    """The first two commands are make's, and the same without make are below."""
    commands = re.findall(r"^\$ (.+)$", README, re.MULTILINE)
    assert commands[:2] == ["make run", "make test"]
    recipes = dict(re.findall(r"^(run|test):.*\n\t(.*)$", MAKEFILE, re.MULTILINE))
    for recipe in recipes.values():
        command = recipe.replace("$(BIN)", ".venv/bin").split(" || ")[0]
        assert f"\n{command}\n" in README


def test_readme_shows_what_the_sample_prints(program: Program) -> None:
    """The README shows what the sample prints, except for the run's id and the time."""
    shutil.copytree(ROOT / "data", program.folder / "data")
    printed = program.run("update", "data/clients.csv", "--sandbox", "--again").stdout
    (shown,) = re.findall(r"^\$ make run\n(.*?)^\$", README, re.MULTILINE | re.DOTALL)
    run_id, minute = r"\d{8}T\d{6}\.\d{3}Z-\w{6}", r"\d{4}-\d\d-\d\d \d\d:\d\d"
    expected = re.sub(minute, "MINUTE", re.sub(run_id, "RUN", shown))
    assert re.sub(minute, "MINUTE", re.sub(run_id, "RUN", printed)) == expected


def test_readme_is_short() -> None:
    """The README is short."""
    assert README.count("\n") <= 240


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Each relative link leads to a file of the repository, and to a heading where it names one."""
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_can_be_found(path: Path) -> None:
    """The README links to every page."""
    assert path.name == "README.md" or f"({path.relative_to(ROOT)})" in README


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_paths_of_the_repository_exist(path: Path) -> None:
    """Each path of the repository that a page names exists; a pattern matches some file."""
    page = path.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:\.ci|configs|data|docs|etl|tests)/[^` ]*)`", page):
        assert list(ROOT.glob(name)), name


def test_every_place_of_a_change_is_named_by_its_path() -> None:
    """Where a change goes is a path from the root, so that the test above can look for it."""
    rows = table("Find your way", CONTRIBUTING)
    places = re.findall(r"^\| .+ \| (.+) \| .+ \|$", rows, re.MULTILINE)
    names = re.findall(r"`([^`]+)`", " ".join(places))
    assert len(names) > len(places)
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_targets_of_make_exist(path: Path) -> None:
    """Each `make …` that a page names is a target of the Makefile."""
    page = path.read_text(encoding="utf-8")
    named = re.findall(r"^(?:\$ )?make ([a-z-]+)|`make ([a-z-]+)`", page, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    assert {name for pair in named for name in pair if name} <= set(targets)


def test_version_is_in_the_changelog() -> None:
    """The changelog has a dated section for the version of the program."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_in_plain_english(path: Path) -> None:
    """The pages have no rare phrases and no sentences with a semicolon."""
    prose = without_code(path.read_text(encoding="utf-8"))
    assert not HARD_ENGLISH.findall(prose)
    assert not re.findall(r".*[;؛].*", prose)


@pytest.mark.parametrize("name", ["report.png", "workbook.png"])
def test_pictures_are_shown_and_small(name: str) -> None:
    """The README shows the pictures that `make pictures` makes, and loads quickly."""
    assert f"(docs/pictures/{name})" in README
    assert (PICTURES / name).stat().st_size < 150_000


def test_operations_pages_say_the_same() -> None:
    """The English and the Arabic page have the same headings, steps and table rows."""
    assert blocks(OPERATIONS) == blocks(OPERATIONS_IN_ARABIC)


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_operations_pages_are_one_sheet_of_paper_each() -> None:
    """Each operations page fits on one sheet of paper."""
    with chromium() as browser:
        tab = browser.new_page()
        for page in (OPERATIONS, OPERATIONS_IN_ARABIC):
            tab.set_content(PAPER + MARKDOWN.render(page))
            assert tab.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 1


def test_configuration_of_the_deployment_page_is_valid(tmp_path: Path) -> None:
    """The configuration of the deployment page is valid, apart from the group."""
    (text,) = re.findall(r"```toml\n(.*?)```", DEPLOYMENT, re.DOTALL)
    copied = tmp_path / "job.toml"
    copied.write_text(text.replace('group = "operations"', ""), encoding="utf-8")
    assert load_settings(copied, {}) != Settings()


def test_example_configuration_holds_every_key_at_its_default() -> None:
    """The example configuration has every key at its default."""
    assert load_settings(EXAMPLE, {}).model_dump() == Settings().model_dump()
    text = EXAMPLE.read_text(encoding="utf-8")
    commented = tomllib.loads(re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE))
    assert set(keys(commented)) == set(keys(Settings().model_dump(mode="json")))
