"""SSH signatures of a plan's digest, verified by the system's ``ssh-keygen``.

A signature is made with ``ssh-keygen -Y sign -n fatora-clients``. Who may sign is in a file of
allowed signers (ssh-keygen(1), ALLOWED SIGNERS): a line has principals, options and a public key.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from etl.files import NotRegularError, read_regular

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NAMESPACE = "fatora-clients"
_PROGRAM = "ssh-keygen"
_PATIENCE = 30  # seconds; an answer takes some milliseconds
_LONGEST = 1 << 16  # bytes of a signature; one of RSA with 16,384 bits has 6 KB
_LINE_ENDS = ("\n", "", "\r\n")  # `echo` adds one to the digest, `printf %s` does not
_OTHER_NAMESPACE = "namespace does not match"
_OTHER_TEXT = "incorrect signature"


class NotSignedError(Exception):
    """A signature does not count. The message says why, to follow “the signature”."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who made a signature: the principal, and the line of the file of allowed signers."""

    principal: str
    line: str


def read_signature(path: Path) -> str:
    """Return an armored signature.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        signature = read_regular(path)
    except OSError as error:
        raise ConfigError(f"the signature {path} cannot be read: {error.strerror}") from None
    except NotRegularError as error:
        raise ConfigError(f"the signature {path} cannot be read: {error}") from None
    try:
        return signature[:_LONGEST].decode("ascii").strip() + "\n"
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a signature of {_PROGRAM}") from None


def signer_of(signature: str, digest: str, signers: Path, when: datetime) -> Signer:
    """Return who of the allowed signers signed a digest; ``when`` is when that must be allowed.

    Raises:
        NotSignedError: nobody of them did.
        ConfigError: it cannot be verified, as ``ssh-keygen`` or the file cannot be used.
    """
    signed = _signed_text(signature, digest)
    try:
        lines = read_regular(signers).decode().splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigError(f"the file of signers {signers} cannot be read: {reason}") from None
    why = f"was made with a key that the file of signers {signers} does not have"
    # Line by line, so that ssh-keygen alone says which of them counts.
    for line in filter(None, map(str.strip, lines)):
        for principal in _principals(signature, line, when):
            complaint = _complaint(signature, signed, Signer(principal, line), when)
            if complaint is None:
                return Signer(principal, line)
            why = f"of {principal} does not fit the file of signers {signers}: {complaint}"
    raise NotSignedError(why)


def require_signed(signature: str, digest: str, signer: Signer, when: datetime) -> None:
    """Check that a signer of whom the line was kept signed a digest.

    Raises:
        NotSignedError: that is not so.
        ConfigError: it cannot be verified, as ``ssh-keygen`` cannot be used.
    """
    if complaint := _complaint(signature, _signed_text(signature, digest), signer, when):
        raise NotSignedError(f"does not fit the key that was kept: {complaint}")


def _signed_text(signature: str, digest: str) -> str:
    """Return the digest as it was signed, with or without a line end, by whatever key."""
    for end in _LINE_ENDS:
        done = _run("check-novalidate", "-n", NAMESPACE, signature=signature, given=digest + end)
        if done.returncode == 0:
            return digest + end
        if _OTHER_NAMESPACE in done.stderr:
            raise NotSignedError(f"was made for another namespace than {NAMESPACE}")
        if _OTHER_TEXT not in done.stderr:
            raise NotSignedError("cannot be read as an SSH signature")
    raise NotSignedError(f"is not one of the digest {digest}")


def _principals(signature: str, line: str, when: datetime) -> list[str]:
    done = _run("find-principals", _at(when), signature=signature, line=line)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _complaint(signature: str, signed: str, signer: Signer, when: datetime) -> str | None:
    """Return why a signature is not valid, None if it is."""
    options = ("-I", signer.principal, "-n", NAMESPACE, _at(when))
    done = _run("verify", *options, signature=signature, line=signer.line, given=signed)
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines() or ["no reason was given"]
    return said[0].rpartition(":1: ")[2]  # without the name of the file in memory, and its line


def _at(when: datetime) -> str:
    return f"-Overify-time={when.astimezone(UTC):%Y%m%d%H%M%S}"  # TZ is UTC


def _run(
    action: str, *options: str, signature: str, line: str = "", given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Let ``ssh-keygen`` judge a signature, by a line of a file of allowed signers if one is given.

    It takes both as files. They are in memory, since no disk need be writable for this.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise ConfigError(
            f"{_PROGRAM}, which verifies signatures, is not installed or not in PATH: install"
            " OpenSSH's client"
        )
    texts = {"-s": signature, "-f": line} if line else {"-s": signature}
    with ExitStack() as stack:
        files = {option: _in_memory(text, stack) for option, text in texts.items()}
        named = chain.from_iterable(
            (option, f"/proc/self/fd/{descriptor}") for option, descriptor in files.items()
        )
        try:
            return subprocess.run(  # noqa: S603 - the arguments are ours, and there is no shell
                [program, "-Y", action, *options, *named],
                input=given,
                capture_output=True,
                check=False,
                pass_fds=tuple(files.values()),
                env={"LC_ALL": "C", "TZ": "UTC"},
                timeout=_PATIENCE,
                text=True,
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f"{program} cannot verify a signature: {error}") from None


def _in_memory(text: str, stack: ExitStack) -> int:
    descriptor = os.memfd_create(_PROGRAM)
    stack.callback(os.close, descriptor)
    os.write(descriptor, f"{text}\n".encode())
    return descriptor
