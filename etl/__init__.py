"""Updates a merchant's clients on the Fatora payment platform from spreadsheets.

This is how one row travels. Each stage is a folder and knows no other stage::

      extract  ───►  validate  ───►        runs        ───►  report
    bytes of a      pandera, the       the journal,         results, rework,
    spreadsheet     client's rules     SQLite, is the       for people to read
    as text                            staging table
                                         │      ▲
                                 pending ▼      │ intent, then outcome
                                           load
                                    one PUT for a row

Only ``pipeline`` knows this order. ``rows`` defines what a row is at each station, ``codes`` every
reason why a row was not updated, ``outcome`` the totals of a run and their words. ``writing`` fills
a run's files and ``handover`` delivers them; ``verification`` and ``retention`` look after old
runs. ``commands`` has a module for each command of the command line.
"""

__version__ = "0.1.0"
