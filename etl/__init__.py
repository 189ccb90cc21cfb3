"""Updates a merchant's clients on the Fatora payment platform from spreadsheets.

How one row travels; each stage is a folder, and none knows another::

      extract  ───►  validate  ───►        runs        ───►  report
    bytes of a      pandera, the       the journal,         results, rework,
    spreadsheet     client's rules     SQLite, is the       for people to read
    to text                            staging table
                                         │      ▲
                                 pending ▼      │ intent, then outcome
                                           load
                                    one PUT for a row

``pipeline`` alone knows this order. ``rows`` names what a row is called at each station; ``codes``
lists everything that can be said of one. ``writing`` fills a run's files and ``outcome`` sums it
up; ``verification`` and ``retention`` look after old ones. ``commands`` are the words of the
command line.
"""

__version__ = "0.1.0"
