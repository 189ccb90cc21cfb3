"""Writes the files that people read, from rows and facts that ``etl.jobs.writing`` collects.

``tables`` has the columns of the results and of the rework. ``sheets`` writes a table as CSV or as
a workbook, ``look`` has a workbook's formats, and ``summary`` writes the sheet that it opens with.
``html`` makes the page of a run from ``templates``: ``entries`` are its rows, ``differences`` marks
what changed inside a value, ``charts`` has the geometry of its charts, and ``words`` how it writes
numbers and times. ``sentences`` explains the outcome of a run, on the terminal too.
"""
