"""What the commands do, a module each, as functions that return values and print nothing.

``update`` sends spreadsheets. ``pipeline`` takes one file through the stages: ``staging`` reads and
validates it, ``sending`` sends its rows, ``writing`` writes the files of the run, and ``delivery``
hands them to operations. ``context`` has what all files of one update share, ``target`` where their
rows are sent, and ``summary`` the result of each. ``check`` only validates. ``history`` lists runs,
``show`` reads one of them, ``verify`` proves them, and ``prune`` removes their personal data.
"""
