"""Settings and credentials: their sources, and their validation.

A setting comes from an option, else from the environment, else from the configuration file, else it
has its default; the command line (``etl.commands``) passes the first two. Credentials come only
from the environment, or from a file that it names: every user of the machine could read an option.
"""

from __future__ import annotations

import codecs
import difflib
import grp
import hashlib
import re
import ssl
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import jwt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic import (
    Field as Setting,
)

from etl.complaints import complaint_about
from etl.errors import ConfigError
from etl.extract.header import known_names
from etl.fields import Field
from etl.load.wire import trusting
from etl.text import SHORTEST_CREDENTIAL, is_token, quote, quoted_path, strip_edges
from etl.urls import checked_url, is_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

SANDBOX_URL = "http://127.0.0.1/v1"  # the API address of runs that start their own sandbox
_LONGEST_WAIT = 86_400  # seconds; longer than a day is a mistake
_SLOWEST = 0.001  # requests a second
# Codecs that can decode bytes to lone surrogates, which no journal or results file can hold.
_NO_ENCODINGS = frozenset({"utf-7", "unicode-escape", "raw-unicode-escape"})
_ALL = 100  # percent
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_LONGEST_CELL = 32_767  # characters, Excel's limit for a cell
_API_KEY = "FATORA_API_KEY"
_SECRETS = (_API_KEY, "FATORA_BEARER_TOKEN")


def _checked_encoding(name: str) -> str:
    try:
        "".encode(name)
        known = codecs.lookup(name).name not in _NO_ENCODINGS
    except LookupError:
        known = False
    if not known:
        raise ValueError(f"{quote(name)} is not the name of an encoding, such as cp1256")
    return name


def _checked_rate(rate: float) -> float:
    if 0 < rate < _SLOWEST:
        raise ValueError(f"must be 0 (no limit) or at least {_SLOWEST}")
    return rate


def _checked_proxy(proxy: SecretStr) -> SecretStr:
    if not is_proxy(proxy.get_secret_value()):
        raise ValueError("must look like http://proxy.example:3128")
    return proxy


def _checked_bundle(bundle: Path) -> Path:
    named = quoted_path(bundle)
    try:
        trusts_any = trusting(str(bundle)).cert_store_stats()["x509"] > 0
    except ssl.SSLError:
        trusts_any = False
    except OSError as error:
        raise ValueError(f"{named} cannot be read: {error.strerror}") from None
    if not trusts_any:
        raise ValueError(f"{named} is not a file of certificates in the PEM format")
    return bundle


def _checked_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _checked_group(name: str) -> str:
    try:
        grp.getgrnam(name)
    except KeyError:
        raise ValueError(f"{quote(name)} is not a group of this machine") from None
    return name


def _checked_limit(limit: object) -> int | str:
    """Return a number of rows, or a share of them such as ``30%`` or ``0.5%``."""
    if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0:
        return limit
    if isinstance(limit, str) and (share := _SHARE.fullmatch(limit)) and float(share[1]) <= _ALL:
        return limit
    raise ValueError(f"{quote(str(limit))} is neither a number of rows nor a share such as 30%")


Seconds = Annotated[float, Setting(gt=0, le=_LONGEST_WAIT, allow_inf_nan=False)]


class _Section(BaseModel):
    """A section of settings, which accepts neither unknown keys nor values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ApiSettings(_Section):
    """``[api]``: the address of the API, timeouts and attempts."""

    url: Annotated[str, AfterValidator(checked_url)] = "https://api.fatora.io/v1"
    timeout: Seconds = 30
    attempts: int = Setting(default=5, ge=1)
    pause: Seconds = 0.5
    pause_max: Seconds = 60
    retry_after_max: Seconds = 120
    proxy: Annotated[SecretStr, AfterValidator(_checked_proxy)] | None = None
    ca_bundle: Annotated[Path, Strict(strict=False), AfterValidator(_checked_bundle)] | None = None


class LoadSettings(_Section):
    """``[load]``: how fast rows are sent, and when a run stops."""

    workers: int = Setting(default=8, ge=1, le=256)
    rate: Annotated[
        float, Setting(ge=0, le=1e6, allow_inf_nan=False), AfterValidator(_checked_rate)
    ] = 0
    stop_after: int = Setting(default=10, ge=1)
    give_up: int = Setting(default=5, ge=1)
    patience: float = Setting(default=900, ge=0, le=_LONGEST_WAIT, allow_inf_nan=False)
    compare: bool = False
    fresh: float = Setting(default=600, ge=0, le=_LONGEST_WAIT, allow_inf_nan=False)
    unsent: Literal["omit", "resend"] = "omit"


Limit = Annotated[int | str, PlainValidator(_checked_limit)]


class GuardSettings(_Section):
    """``[guard]``: how much a file may change before somebody must approve it."""

    changed: Limit | None = None
    cleared: Limit | None = None
    approval: Literal["never", "tripped", "always"] | None = None
    two_persons: bool = False
    signers: Annotated[Path, Strict(strict=False), AfterValidator(_checked_file)] | None = None

    @property
    def limits(self) -> bool:
        """Whether there is a limit that a plan may exceed."""
        return self.changed is not None or self.cleared is not None

    @property
    def asks(self) -> Literal["never", "tripped", "always"]:
        """When a plan must be approved: if a limit is exceeded, unless the setting says it."""
        return self.approval or ("tripped" if self.limits else "never")

    @model_validator(mode="after")
    def _check_effect(self) -> Self:
        """Refuse settings that promise safety but would have no effect."""
        if self.approval == "tripped" and not self.limits:
            raise ValueError('approval = "tripped" needs a limit: set changed or cleared')
        for key in ("signers", "two_persons"):
            if getattr(self, key) and self.asks == "never":
                raise ValueError(
                    f"{key} has no effect unless plans must be approved: set changed, cleared or"
                    ' approval = "always"'
                )
        return self


class InputSettings(_Section):
    """``[input]``: how spreadsheets are read."""

    sheet: str | None = None
    encoding: Annotated[str, AfterValidator(_checked_encoding)] | None = None
    settle: float = Setting(default=5, ge=0, le=_LONGEST_WAIT, allow_inf_nan=False)
    done: Literal["keep", "move"] = "keep"


class ColumnSettings(_Section):
    """``[columns.<field>]``: the headers of a field, and the rules for its cells."""

    aliases: tuple[str, ...] = Setting(default=(), strict=False)
    blank: Literal["keep", "clear"] = "keep"
    max_length: int = Setting(default=_LONGEST_CELL, ge=1)


class ColumnsSettings(_Section):
    """``[columns]``: a section for each field."""

    id: ColumnSettings = ColumnSettings()
    email: ColumnSettings = ColumnSettings()
    name: ColumnSettings = ColumnSettings()
    phone: ColumnSettings = ColumnSettings()
    address: ColumnSettings = ColumnSettings()
    notes: ColumnSettings = ColumnSettings()

    def of(self, field: Field) -> ColumnSettings:
        """Return the settings of a field's column."""
        settings: ColumnSettings = getattr(self, field)
        return settings

    @model_validator(mode="after")
    def _check_aliases(self) -> Self:
        known_names(self.aliases)
        return self

    @property
    def aliases(self) -> dict[Field, tuple[str, ...]]:
        """The additional headers of each field that has any."""
        return {field: self.of(field).aliases for field in Field if self.of(field).aliases}


class DeliverSettings(_Section):
    """``[deliver]``: where operations find the results, and who may read them there."""

    dir: Annotated[Path, Strict(strict=False)] | None = None
    mode: Annotated[str, Setting(pattern=r"^0?[0-7]{3}$")] = "0640"
    group: Annotated[str, AfterValidator(_checked_group)] | None = None


class RunsSettings(_Section):
    """``[runs]``: where the runs are, and which files they write.

    ``workbooks`` says which inputs get workbooks: only workbooks ("auto"), or CSV files too.
    """

    dir: Annotated[Path, Strict(strict=False)] = Path("runs")
    workbooks: Literal["auto", "always"] = "auto"


class Settings(_Section):
    """Every setting of the job."""

    api: ApiSettings = ApiSettings()
    load: LoadSettings = LoadSettings()
    guard: GuardSettings = GuardSettings()
    input: InputSettings = InputSettings()
    columns: ColumnsSettings = ColumnsSettings()
    runs: RunsSettings = RunsSettings()
    deliver: DeliverSettings = DeliverSettings()
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _file: Path | None = PrivateAttr(default=None)

    def require_comparing(self) -> None:
        """Check that settings which need a comparison have one; only updates need them.

        Raises:
            ConfigError: they have none.
        """
        needed_by = {
            "guard.changed": self.guard.changed is not None,
            "guard.cleared": self.guard.cleared is not None,
            "guard.approval": self.guard.approval in {"tripped", "always"},
            "load.unsent": self.load.unsent == "resend",
        }
        for key, is_set in needed_by.items():
            if is_set and not self.load.compare:
                raise ConfigError(f"{key} needs load.compare = true")

    @property
    def as_options(self) -> list[str]:
        """The options with which another command finds the same settings and runs."""
        options = ["--config", str(self._file)] if self._file else []
        if self._origins.get("runs.dir") in {"option", "environment"}:
            options += ["--runs-dir", str(self.runs.dir)]
        return options

    def with_sources(self) -> dict[str, dict[str, Any]]:
        """Return each setting by its key: its value as JSON without secrets, and its source."""
        values = _flat(self.model_dump(mode="json"))
        return {
            key: {"value": value, "from": self._origins.get(key, "default")}
            for key, value in values.items()
        }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``{"api": {"timeout": 30}}`` as ``{"api.timeout": 30}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        flat |= _flat(value, f"{key}.") if isinstance(value, dict) else {key: value}
    return flat


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials for the API: the merchant's API key, or a bearer token."""

    secret: SecretStr
    is_api_key: bool

    @property
    def fingerprint(self) -> str:
        """A short digest that identifies the credentials in the manifest without revealing them."""
        digest = hashlib.sha256(self.secret.get_secret_value().encode()).hexdigest()
        return f"{'API key' if self.is_api_key else 'bearer token'} {digest[:16]}"

    @property
    def account(self) -> str:
        """The account whose clients are updated: the name in a bearer token, or the fingerprint.

        Sources: RFC 7519, 4.1.2 (``sub``); ``unique_name`` is in the vendor's sample token.
        """
        claims = {} if self.is_api_key else _claims(self.secret.get_secret_value())
        named = (claims.get(key) for key in ("unique_name", "sub"))
        return next((name for name in named if isinstance(name, str) and name), self.fingerprint)


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that is a JWT; only the API can verify its signature."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


def load_settings(
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> Settings:
    """Read a configuration file and replace its values by ``overrides``, such as ``load.workers``.

    ``names`` has the option or the environment variable that gave an override, for messages.

    Raises:
        ConfigError: the file cannot be read, or keys or values are wrong. The message names all.
    """
    names, overrides = names or {}, overrides or {}
    values = _read_toml(file) if file else {}
    origins = dict.fromkeys(_flat(values), "configuration file")
    for key, value in overrides.items():
        section, name = key.split(".")
        if isinstance(values.setdefault(section, {}), dict):
            values[section][name] = value
        origins[key] = "option" if names.get(key, "--").startswith("--") else "environment"
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        places = {key: names.get(key, key) for key in overrides}
        problems = "; ".join(_problem(details, places, file) for details in error.errors())
        raise ConfigError(problems) from None
    settings._origins.update(origins)  # noqa: SLF001 - a private attribute is not a setting
    settings._file = file  # noqa: SLF001 - the same
    return settings


def read_credentials(environment: Mapping[str, str]) -> Credentials:
    """Return the credentials from environment variables, or from the file that one of them names.

    Raises:
        ConfigError: there are none, more than one, or they cannot be a key or token. The message
            never quotes a secret.
    """
    secrets = {
        name: secret for name in _SECRETS if (secret := _secret(name, environment)) is not None
    }
    if not secrets:
        raise ConfigError(
            "no credentials: set FATORA_API_KEY or FATORA_BEARER_TOKEN, or FATORA_API_KEY_FILE or"
            " FATORA_BEARER_TOKEN_FILE to the path of a file that holds it"
        )
    if len(secrets) > 1:
        raise ConfigError("both FATORA_API_KEY and FATORA_BEARER_TOKEN are set: keep one")
    ((name, secret),) = secrets.items()
    return Credentials(secret, is_api_key=name == _API_KEY)


def _secret(name: str, environment: Mapping[str, str]) -> SecretStr | None:
    """Return the secret in a variable, or in the file that its ``…_FILE`` names; None if unset."""
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value and file:
        raise ConfigError(f"both {name} and {name}_FILE are set: keep one")
    source = name
    if file:
        source = f"the file that {name}_FILE names"
        try:
            value = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{source} cannot be read") from None
    elif not value:
        return None
    value = strip_edges(value or "")
    if not is_token(value):
        raise ConfigError(
            f"{source} does not hold a key or token: only letters, digits and ._~+/=- are allowed"
        )
    if len(value) < SHORTEST_CREDENTIAL:
        raise ConfigError(
            f"{source} is shorter than {SHORTEST_CREDENTIAL} characters, so it cannot be a key or"
            " token"
        )
    return SecretStr(value)


def _read_toml(file: Path) -> dict[str, Any]:
    named = quoted_path(file)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"the configuration {named} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration {named} is not TOML: {error}") from None


def _problem(error: ErrorDetails, places: Mapping[str, str], file: Path | None) -> str:
    """Return what is wrong with a setting, after the place where a person can change it."""
    key = ".".join(map(str, error["loc"]))
    place = places.get(key, f"{key} in {file}" if file else key)
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key" + "".join(f"; did you mean {it}?" for it in _keys_like(key))
    return f"{place}: {complaint_about(key, error)}"


def _keys_like(key: str) -> list[str]:
    """Return the known key or section that is spelt most like a wrong one, if any is similar."""
    depth = key.count(".") + 1
    known = {".".join(name.split(".")[:depth]) for name in _flat(Settings().model_dump())}
    return difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.8)
