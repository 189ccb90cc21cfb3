"""Updates a merchant's clients on the Fatora payment platform from spreadsheets.

A row passes through five stages. Each stage is a package and does not import the others::

      extract  ───►  validate  ───►        runs        ───►  report
    reads the      checks each      stores each row in      writes results,
    spreadsheet    row against      the journal (SQLite)    rework and report
    as text        the schema             │     ▲
                                  pending │     │ intent, then
                                     rows ▼     │ outcome
                                           load
                                    sends one PUT per row

``pipeline`` connects the stages: `pipeline.update` runs a whole file. These modules are shared:

- ``rows`` defines a row at each stage, ``codes`` every reason why a row was not updated, and
  ``fields`` the columns. ``outcome`` has the totals of a run and the sentences about them.
- ``errors`` has the exit codes and exceptions, ``stopping`` the ways to stop a run.
- ``config`` has the settings and credentials; ``text``, ``files`` and ``urls`` have common rules.

``writing`` writes the files of a run, and ``handover`` delivers them. ``verification`` checks old
runs, and ``retention`` removes their personal data. ``sandbox`` is a local API for trials and
tests. ``cli`` is the entry point, ``commands`` has a module for each command, and ``console``
prints for all of them.
"""

__version__ = "0.1.0"
