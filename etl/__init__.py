"""Updates a merchant's clients on the Fatora payment platform from spreadsheets.

A row passes through five stages. Each stage is a package and does not import the others::

      extract  ───►  validate  ───►        runs        ───►  report
    reads the      checks each      stores each row in      writes results,
    spreadsheet    row against      the journal (SQLite)    rework and report
    as text        the schema             │     ▲
                                  pending │     │ intent, then
                                     rows ▼     │ outcome
                                           load
                                    sends one PUT per row, after one
                                    GET where rows are compared

A run that compares goes through ``load`` twice. First each client is read, and the journal keeps
what the API holds as the row's *before-image*. A plan is made of the differences, which may have to
be approved. Then only the rows that change something are sent, and only while their clients are
still as they were.

``jobs`` has what the commands do, as functions: `jobs.pipeline.update_file` takes one file through
all stages. Other programs call `update`, `approve`, `check`, `history` and `verify`, which this
package offers under its own name. For people and cron, ``cli`` is the entry point, and ``commands``
has a module for each command, which parses options and prints. These modules are shared:

- ``rows`` defines a row at each stage and the totals of a run, ``codes`` every reason why a row was
  not updated, ``fields`` the columns, and ``images`` what the API holds of a client. ``manifest``
  is the record of a run.
- ``errors`` has the exit codes and exceptions, ``stopping`` the ways to stop a run, and ``limits``
  what this process must be allowed to use.
- ``config`` has the settings and credentials, and ``complaints`` what may be wrong with a value;
  ``text``, ``files`` and ``urls`` have common rules.

``sandbox`` is a local API for trials and tests.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from etl.version import __version__ as __version__

if TYPE_CHECKING:
    from etl.codes import Code as Code
    from etl.config import Credentials as Credentials
    from etl.config import Settings as Settings
    from etl.config import load_settings as load_settings
    from etl.config import read_credentials as read_credentials
    from etl.errors import BusyError as BusyError
    from etl.errors import ConfigError as ConfigError
    from etl.errors import ExitCode as ExitCode
    from etl.errors import FatoraClientsError as FatoraClientsError
    from etl.errors import StoppedError as StoppedError
    from etl.jobs.approval import Approved as Approved
    from etl.jobs.approval import approve as approve
    from etl.jobs.check import Check as Check
    from etl.jobs.check import check as check
    from etl.jobs.confirm import Confirmed as Confirmed
    from etl.jobs.confirm import confirm as confirm
    from etl.jobs.context import Progress as Progress
    from etl.jobs.history import History as History
    from etl.jobs.history import client_history as client_history
    from etl.jobs.history import history as history
    from etl.jobs.summary import Summary as Summary
    from etl.jobs.undo import undo as undo
    from etl.jobs.update import update as update
    from etl.jobs.verify import Verification as Verification
    from etl.jobs.verify import verify as verify
    from etl.rows import Status as Status
    from etl.rows import Totals as Totals
    from etl.stopping import StopRequest as StopRequest

_PUBLIC = {
    "Approved": "etl.jobs.approval",
    "BusyError": "etl.errors",
    "Check": "etl.jobs.check",
    "Code": "etl.codes",
    "ConfigError": "etl.errors",
    "Confirmed": "etl.jobs.confirm",
    "Credentials": "etl.config",
    "ExitCode": "etl.errors",
    "FatoraClientsError": "etl.errors",
    "History": "etl.jobs.history",
    "Progress": "etl.jobs.context",
    "Settings": "etl.config",
    "Status": "etl.rows",
    "StopRequest": "etl.stopping",
    "StoppedError": "etl.errors",
    "Summary": "etl.jobs.summary",
    "Totals": "etl.rows",
    "Verification": "etl.jobs.verify",
    "approve": "etl.jobs.approval",
    "check": "etl.jobs.check",
    "client_history": "etl.jobs.history",
    "confirm": "etl.jobs.confirm",
    "history": "etl.jobs.history",
    "load_settings": "etl.config",
    "read_credentials": "etl.config",
    "undo": "etl.jobs.undo",
    "update": "etl.jobs.update",
    "verify": "etl.jobs.verify",
}

logging.getLogger(__name__).addHandler(logging.NullHandler())  # a library prints no log by itself


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562): ``--help`` does not wait for pandas."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
