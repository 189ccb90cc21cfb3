"""Settings and credentials: every wrong one is named, and no secret is ever shown."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from etl.config import Credentials, Settings, load_settings, read_credentials
from etl.errors import ConfigError
from etl.fields import Field

SHIPPED = Path(__file__).parents[1] / "configs" / "job.toml"
SECRET = "invented-secret-1"
KEY, TOKEN = "FATORA_API_KEY", "FATORA_BEARER_TOKEN"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path for a configuration or a secret."""
    return tmp_path / "job.toml"


def settings_from(path: Path, text: str, **overrides: object) -> Settings:
    """Return the settings of a configuration with this text."""
    path.write_text(text, encoding="utf-8")
    return load_settings(path, {key.replace("__", "."): value for key, value in overrides.items()})


def complaint(path: Path, text: str, **overrides: object) -> str:
    """Return the error message about a wrong configuration."""
    with pytest.raises(ConfigError) as raised:
        settings_from(path, text, **overrides)
    return str(raised.value)


# Sources of a value


def test_without_a_file_every_setting_has_its_default() -> None:
    """Without a file, every setting has its documented default."""
    api, load = load_settings(None, {}).api, load_settings(None, {}).load
    assert (api.url, api.timeout, api.attempts) == ("https://api.fatora.io/v1", 30, 5)
    assert (api.pause, api.pause_max, api.retry_after_max) == (0.5, 60, 120)
    assert (api.proxy, api.ca_bundle) == (None, None)
    assert (load.workers, load.rate, load.stop_after) == (8, 0, 10)


def test_without_a_file_spreadsheets_are_read_as_agreed() -> None:
    """Without a file, spreadsheets are read with the documented defaults."""
    settings = load_settings(None, {})
    assert (settings.input.sheet, settings.input.encoding, settings.input.settle) == (None, None, 5)
    assert (settings.runs.dir, settings.runs.workbooks) == (Path("runs"), "auto")
    for field in Field:
        column = settings.columns.of(field)
        assert (column.aliases, column.blank, column.max_length) == ((), "keep", 32_767)


def test_the_shipped_configuration_has_every_key_at_its_default() -> None:
    """The shipped configuration documents every key with its default."""
    shipped = load_settings(SHIPPED, {})
    assert shipped.model_dump() == Settings().model_dump()
    stated = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    commented = SHIPPED.read_text(encoding="utf-8")
    for section, keys in Settings().model_dump().items():
        assert section in stated or f"# [{section}]" in commented
        for key in keys:
            assert key in stated[section] or f"# {key} = " in commented


def test_a_value_of_the_file_replaces_the_default(path: Path) -> None:
    """A value of the file replaces one default and no other."""
    settings = settings_from(path, '[api]\ntimeout = 7\n[columns.notes]\nblank = "clear"\n')
    assert (settings.api.timeout, settings.api.attempts) == (7, 5)
    assert settings.columns.of(Field.NOTES).blank == "clear"
    assert settings.columns.of(Field.NAME).blank == "keep"


def test_an_override_replaces_the_value_of_the_file(path: Path) -> None:
    """An override replaces a single key, and keeps the rest of the file's section."""
    settings = settings_from(path, "[api]\ntimeout = 7\nattempts = 2\n", api__timeout=9.5)
    assert (settings.api.timeout, settings.api.attempts) == (9.5, 2)


def test_an_override_needs_no_section_in_the_file(path: Path) -> None:
    """An override works without its section, and without a file."""
    assert settings_from(path, "", load__workers=3).load.workers == 3
    assert load_settings(None, {"runs.dir": "elsewhere"}).runs.dir == Path("elsewhere")


def test_a_byte_order_mark_is_ignored(path: Path) -> None:
    """A byte order mark, which Windows editors write, is ignored."""
    assert settings_from(path, "\ufeff[api]\ntimeout = 7\n").api.timeout == 7


def test_aliases_may_be_in_any_script(path: Path) -> None:
    """Aliases may be in any script, as headers are."""
    settings = settings_from(path, '[columns.id]\naliases = ["رقم", "Customer No."]\n')
    assert settings.columns.of(Field.ID).aliases == ("رقم", "Customer No.")


@pytest.mark.parametrize("value", ["https://api.example.com/v1/", "https://api.example.com/v1"])
def test_a_url_is_taken_without_the_slash_at_its_end(path: Path, value: str) -> None:
    """A slash at the end of the URL is removed."""
    assert settings_from(path, f'[api]\nurl = "{value}"\n').api.url == "https://api.example.com/v1"


# Errors


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("timeout = 7", "timeout"),
        ('[columns.fax]\nblank = "keep"', "columns.fax"),
        (f'[api]\ntoken = "{SECRET}"', "api.token"),
        (f'[api]\nbearer_token = "{SECRET}"', "api.bearer_token"),
    ],
)
def test_an_unknown_key_is_named(path: Path, text: str, key: str) -> None:
    """A misspelt key is an error, since its setting would silently keep its default."""
    assert complaint(path, text) == f"{key} in {path}: unknown key"


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("[api]\ntimeuot = 7", "api.timeuot", "api.timeout"),
        ("[apis]\ntimeout = 7", "apis", "api"),
        ("[load]\nwokers = 7", "load.wokers", "load.workers"),
        ("[columns.id]\nalias = []", "columns.id.alias", "columns.id.aliases"),
    ],
)
def test_the_key_that_was_meant_is_suggested(path: Path, text: str, key: str, meant: str) -> None:
    """A key that is spelt similarly is suggested."""
    assert complaint(path, text) == f"{key} in {path}: unknown key; did you mean {meant}?"


WRONG: list[tuple[str, Any]] = [
    *[("api.url", value) for value in ("", "api.fatora.io", "http://api.fatora.io/v1", 5)],
    *[("api.url", value) for value in ("https://u:p@api.fatora.io", "https://api.fatora.io:99999")],
    *[("api.timeout", value) for value in (0, -1, "30", True, 1e10, float("inf"), float("nan"))],
    *[("api.attempts", value) for value in (0, -1, 1.5, "5", True)],
    *[("api.pause", value) for value in (0, -0.5, "1")],
    *[("api.pause_max", value) for value in (0, -1, float("inf"))],
    *[("api.retry_after_max", value) for value in (0, -1, "1", float("nan"))],
    *[("api.proxy", value) for value in ("", "proxy.example.com", "ftp://proxy.example.com", 5)],
    *[("api.proxy", value) for value in ("http://", "socks5://proxy.example.com", "http://a:x")],
    *[("api.ca_bundle", value) for value in ("/nowhere/ca.pem", "/", 5)],
    *[("load.workers", value) for value in (0, -1, 257, 1.5, "8", True)],
    *[("load.rate", value) for value in (-1, 1e-11, 1e9, "1", float("inf"), float("nan"))],
    *[("load.stop_after", value) for value in (0, -1, 1.5)],
    *[("input.sheet", value) for value in (5, ["a"])],
    *[("input.encoding", value) for value in ("utf-9", "", "base64", "rot13", "UTF7", 5)],
    *[("input.settle", value) for value in (-1, "5", float("inf"))],
    *[("columns.id.aliases", value) for value in ("id", [5], {"a": "b"})],
    *[("columns.id.blank", value) for value in ("", "KEEP", "delete", True)],
    *[("columns.id.max_length", value) for value in (0, -1, 1.5, "10")],
    *[("runs.dir", value) for value in (5, ["runs"])],
    *[("runs.workbooks", value) for value in (True, "never", "")],
]


def toml_of(value: object) -> str:
    """Return a value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key} = {toml_of(each)}" for key, each in value.items()) + "}"
        case _:
            return repr(value)


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{key}={value!r}" for key, value in WRONG])
def test_a_wrong_value_is_named(path: Path, key: str, value: object) -> None:
    """Values of the wrong type, out of range or of the wrong form are named."""
    section, _, name = key.rpartition(".")
    message = complaint(path, f"[{section}]\n{name} = {toml_of(value)}\n")
    assert message.startswith(key)
    assert f" in {path}: " in message
    assert "Input" not in message, "a sentence of pydantic's"
    assert message.isprintable()


@pytest.mark.parametrize(
    ("key", "name", "value", "words"),
    [
        (
            "input.encoding",
            "--encoding",
            "utf-99",
            "--encoding: “utf-99” is not the name of an encoding, such as cp1256",
        ),
        ("load.workers", "--workers", 0, "--workers: must be at least 1, not “0”"),
        ("load.workers", "--workers", 257, "--workers: must be at most 256, not “257”"),
        ("api.timeout", "--timeout", 0.0, "--timeout: must be more than 0, not “0”"),
        ("load.rate", "--rate", 2e6, "--rate: must be at most 1,000,000, not “2000000”"),
        (
            "load.rate",
            "--rate",
            1e-5,
            "--rate: must be 0 (no limit) or at least 0.001, not “1e-05”",
        ),
        (
            "api.url",
            "FATORA_API_URL",
            "api.fatora.io",
            "FATORA_API_URL: must look like https://api.fatora.io/v1, not “api.fatora.io”",
        ),
    ],
)
def test_a_wrong_override_is_named_as_it_was_given(
    path: Path, key: str, name: str, value: object, words: str
) -> None:
    """A wrong override is named as the option or the variable that gave it."""
    path.write_text("[load]\nworkers = 0\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_settings(path, {"load.workers": 3, key: value}, {key: name})
    assert str(raised.value) == words


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("api.url", "api.example.com/v1", "must look like https://api.fatora.io/v1"),
        ("api.url", 5, "must be text"),
        ("api.ca_bundle", 5, "must be the path of a file or folder"),
        ("load.workers", True, "must be a whole number"),
        ("load.rate", float("inf"), "must be a number"),
        ("input.done", "delete", "must be “keep” or “move”"),
        ("input.settle", "5 s", "must be a number"),
        ("columns.id.aliases", "Konto", "must be a list"),
        ("columns.id.max_length", 0, "must be at least 1"),
        ("deliver.mode", "rw-r-----", "must be three octal digits, such as 0640"),
        ("runs.workbooks", "never", "must be “auto” or “always”"),
    ],
)
def test_a_wrong_value_is_quoted_after_what_is_allowed(
    path: Path, key: str, value: object, words: str
) -> None:
    """A message about a wrong value has its key, what is allowed, and the value as written."""
    section, _, name = key.rpartition(".")
    message = complaint(path, f"[{section}]\n{name} = {toml_of(value)}\n")
    written = toml_of(value).strip("'")
    assert message == f"{key} in {path}: {words}, not “{written}”"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("api.ca_bundle", "/nowhere/ca.pem", "cannot be read: No such file or directory"),
        ("api.ca_bundle", __file__, "is not a file of certificates in the PEM format"),
        ("deliver.group", "nobodies", "is not a group of this machine"),
    ],
)
def test_a_wrong_name_is_quoted_before_what_is_wrong(
    path: Path, key: str, value: str, words: str
) -> None:
    """A message about what does not exist, or is not what it should be, begins with its name."""
    section, _, name = key.rpartition(".")
    message = complaint(path, f"[{section}]\n{name} = {toml_of(value)}\n")
    assert message == f"{key} in {path}: “{value}” {words}"


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("api", f'proxy = "http://user:{SECRET}@"'),
        ("api", f'proxy = ["{SECRET}"]'),
        ("api", f'url = "https://user:{SECRET}@api.fatora.io/v1"'),
        ("api", f'url = "https://api.fatora.io/v1?key={SECRET}"'),
        ("api", f'url = "{SECRET}"'),
        ("api", 'url = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJpbnZlbnRlZC1zZWNyZXQtMSJ9.QUJD"'),
        ("api", f'timeout = {{ key = "{SECRET}" }}'),
        ("api", f'key = "{SECRET}"'),
        ("columns", f'id = "{SECRET}"\n[load]\nx = "{SECRET}"'),
    ],
)
def test_no_message_about_a_wrong_setting_has_a_secret(path: Path, section: str, line: str) -> None:
    """A value that may hold a password or a key is not quoted, not even in the wrong place."""
    message = complaint(path, f"[{section}]\n{line}\n")
    assert SECRET not in message
    assert "eyJ" not in message
    assert f"{section}." in message


def test_the_source_of_an_override_is_recorded() -> None:
    """Each override has its source: an option or the environment."""
    names = {"load.workers": "--workers", "runs.dir": "FATORA_RUNS_DIR"}
    settings = load_settings(None, {"load.workers": 3, "runs.dir": "r"}, names).with_sources()
    origins = {key: settings[key]["from"] for key in (*names, "load.rate")}
    assert origins == {
        "load.workers": "option",
        "runs.dir": "environment",
        "load.rate": "default",
    }


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        *[("api", "attempts", 1), ("api", "timeout", 0.1), ("api", "pause", 0.001)],
        *[("load", "workers", 1), ("load", "workers", 256)],
        *[("load", "rate", 0), ("load", "rate", 0.1), ("load", "stop_after", 1)],
        *[("input", "settle", 0), ("input", "sheet", "عملاء"), ("input", "encoding", "cp1256")],
    ],
)
def test_the_least_and_the_greatest_value_are_good(
    path: Path, section: str, name: str, value: object
) -> None:
    """A limit includes itself, and a good value is kept as it is."""
    settings = settings_from(path, f"[{section}]\n{name} = {toml_of(value)}\n")
    assert getattr(getattr(settings, section), name) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[columns.id]\naliases = ["#"]', "the alias “#” for id has no letter or digit"),
        (
            '[columns.notes]\naliases = ["Name"]',
            "the alias “Name” for notes already means name",
        ),
        (
            '[columns.id]\naliases = ["Konto"]\n[columns.name]\naliases = ["konto "]',
            "the alias “konto ” for name already means id",
        ),
    ],
)
def test_an_alias_that_would_find_the_wrong_column_is_named(
    path: Path, text: str, why: str
) -> None:
    """An alias that belongs to another field, or matches everything, is refused."""
    assert complaint(path, text) == f"columns in {path}: {why}"


def test_an_alias_may_be_a_built_in_one(path: Path) -> None:
    """A built-in alias may be listed again."""
    settings = settings_from(path, '[columns.id]\naliases = ["Client ID", "Konto"]\n')
    assert settings.columns.aliases == {Field.ID: ("Client ID", "Konto")}


def test_a_cell_may_be_limited_to_one_character(path: Path) -> None:
    """The smallest allowed length of a cell is one character."""
    settings = settings_from(path, "[columns.notes]\nmax_length = 1\n")
    assert settings.columns.of(Field.NOTES).max_length == 1


def test_everything_that_is_wrong_is_named_at_once(path: Path) -> None:
    """All errors are reported together."""
    message = complaint(path, "[api]\ntimeout = 0\nx = 1\n[load]\nworkers = 0\n", load__rate=-1.0)
    assert all(key in message for key in ("api.timeout", "api.x", "load.workers", "load.rate"))


@pytest.mark.parametrize("text", ["load = 3", 'load = "x"', "load = [1]", "[[load]]\nworkers = 3"])
def test_a_section_that_is_not_a_table_is_named(path: Path, text: str) -> None:
    """A section that is not a table is named, also if one of its keys is overridden."""
    assert complaint(path, text).startswith(f"load in {path}: must be a section")
    assert complaint(path, text, load__workers=3).startswith(f"load in {path}: must be a section")


@pytest.mark.parametrize(
    "data", [b"[api", b"timeout", b"[api]\n[api]\n", b"\xff\xfe[", b"[api]\nurl = 'a\xe9'", b"\x00"]
)
def test_a_file_that_is_not_toml_is_named(path: Path, data: bytes) -> None:
    """A file that is not TOML is named with the place of the error."""
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="is not TOML: "):
        load_settings(path, {})


@pytest.mark.parametrize("name", ["missing.toml", ".", "job.toml/x"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """A configuration file that was named but cannot be read is an error."""
    (tmp_path / "job.toml").touch()
    with pytest.raises(ConfigError, match="cannot be read: "):
        load_settings(tmp_path / name, {})


def test_a_proxys_password_is_never_shown(path: Path) -> None:
    """Settings, manifest and error messages never show the proxy's password."""
    proxy = f"http://somebody:{SECRET}@proxy.example.com:3128"
    settings = settings_from(path, f'[api]\nproxy = "{proxy}"\n')
    assert settings.api.proxy is not None
    assert settings.api.proxy.get_secret_value() == proxy
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
    assert SECRET not in complaint(path, f'[api]\nproxy = "ftp://x:{SECRET}@proxy.example.com"\n')


# Credentials


@pytest.mark.parametrize(("name", "is_api_key"), [(KEY, True), (TOKEN, False)])
def test_a_credential_comes_from_the_environment(name: str, is_api_key: bool) -> None:  # noqa: FBT001
    """A key and a token can each come from the environment."""
    credentials = read_credentials({name: SECRET, "PATH": "/bin"})
    assert credentials.secret.get_secret_value() == SECRET
    assert credentials.is_api_key == is_api_key


@pytest.mark.parametrize(("name", "is_api_key"), [(KEY, True), (TOKEN, False)])
def test_a_credential_comes_from_a_file(path: Path, name: str, is_api_key: bool) -> None:  # noqa: FBT001
    """A credential can come from a file that the environment names."""
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    credentials = read_credentials({f"{name}_FILE": str(path)})
    assert credentials.secret.get_secret_value() == SECRET
    assert credentials.is_api_key == is_api_key


EDGES = ["\n", "\r\n", " ", "\t", "\u00a0", "\ufeff", "\u200b", "\u200e", "\u200f", "\u202c"]


@pytest.mark.parametrize("edge", EDGES, ids=ascii)
def test_invisible_characters_around_a_credential_are_removed(path: Path, edge: str) -> None:
    """Invisible characters around a copied credential are removed."""
    assert read_credentials({KEY: f"{edge}{SECRET}{edge}"}).secret.get_secret_value() == SECRET
    path.write_bytes(f"{edge}{SECRET}{edge}\n".encode())
    credentials = read_credentials({f"{TOKEN}_FILE": str(path)})
    assert credentials.secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "inside", ["\n", "\r\n", " ", "\u200f", "\ufeff", "é", "س", '"', ":", "\\"]
)
@pytest.mark.parametrize("name", [KEY, TOKEN])
def test_a_credential_with_other_characters_is_refused(name: str, inside: str, path: Path) -> None:
    """A credential with other characters is refused, and the message does not show it."""
    secret = f"invented{inside}secret"
    path.write_bytes(secret.encode())
    for environment in ({name: secret}, {f"{name}_FILE": str(path)}):
        with pytest.raises(ConfigError, match="does not hold a key or token") as raised:
            read_credentials(environment)
        assert name in str(raised.value)
        assert "invented" not in str(raised.value)
        assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize("name", [KEY, TOKEN])
@pytest.mark.parametrize("secret", ["t", "test", "sandbox-key", "x" * 15])
def test_a_credential_of_under_16_characters_is_refused(name: str, secret: str, path: Path) -> None:
    """A credential of under 16 characters is refused, and the message does not show it."""
    path.write_text(f"\u200f{secret}\n", encoding="utf-8")
    for environment, source in [
        ({name: secret}, name),
        ({f"{name}_FILE": str(path)}, f"the file that {name}_FILE names"),
    ]:
        with pytest.raises(ConfigError) as raised:
            read_credentials(environment)
        assert str(raised.value) == (
            f"{source} is shorter than 16 characters, so it cannot be a key or token"
        )


def test_a_credential_of_16_characters_is_not_refused() -> None:
    """A credential of 16 characters is accepted."""
    assert read_credentials({KEY: "x" * 16}).secret.get_secret_value() == "x" * 16


@pytest.mark.parametrize("environment", [{}, {KEY: ""}, {TOKEN: "", f"{KEY}_FILE": ""}])
def test_without_credentials_the_ways_to_give_them_are_named(environment: dict[str, str]) -> None:
    """Without credentials, also with empty variables, the message says how to set them."""
    with pytest.raises(ConfigError, match="no credentials") as raised:
        read_credentials(environment)
    for name in (KEY, TOKEN):
        assert name in str(raised.value)
        assert f"{name}_FILE" in str(raised.value)


@pytest.mark.parametrize("key", [KEY, f"{KEY}_FILE"])
@pytest.mark.parametrize("token", [TOKEN, f"{TOKEN}_FILE"])
def test_a_key_and_a_token_at_once_are_refused(path: Path, key: str, token: str) -> None:
    """A key and a token together are refused."""
    path.write_text(SECRET, encoding="utf-8")
    values = {name: str(path) if name.endswith("_FILE") else SECRET for name in (key, token)}
    with pytest.raises(ConfigError, match="both FATORA_API_KEY and FATORA_BEARER_TOKEN") as raised:
        read_credentials(values)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("name", [KEY, TOKEN])
def test_a_credential_and_a_file_of_it_at_once_are_refused(path: Path, name: str) -> None:
    """A credential and a file of it together are refused, even if they are the same."""
    path.write_text(SECRET, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"both {name} and {name}_FILE are set"):
        read_credentials({name: SECRET, f"{name}_FILE": str(path)})


@pytest.mark.parametrize("content", [b"", b"\n", b" \xef\xbb\xbf\r\n"])
def test_an_empty_file_of_a_credential_is_refused(path: Path, content: bytes) -> None:
    """An empty credential file is an error."""
    path.write_bytes(content)
    with pytest.raises(
        ConfigError, match=f"the file that {KEY}_FILE names does not hold a key or token"
    ):
        read_credentials({f"{KEY}_FILE": str(path)})


@pytest.mark.parametrize("content", [None, SECRET.encode("utf-16")])
def test_a_file_of_a_credential_that_cannot_be_read_is_refused(
    path: Path, content: bytes | None
) -> None:
    """A credential file that is missing or not text is refused, and its variable is named."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"the file that {TOKEN}_FILE names cannot be read"):
        read_credentials({f"{TOKEN}_FILE": str(path)})


def test_a_credential_is_never_shown() -> None:
    """A credential is not shown by repr, by str or in a format."""
    credentials: Credentials = read_credentials({KEY: SECRET})
    assert SECRET not in f"{credentials} {credentials!r} {credentials.secret}"
