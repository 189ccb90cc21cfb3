"""From rows and plain facts to the files that people read; ``etl.writing`` has them of a run.

``tables`` says what stands in the results and in the rework; ``sheets`` writes a table as CSV or as
a workbook, ``look`` is how a workbook looks, ``summary`` its first sheet. ``html`` makes the page
of a run from ``templates``; ``entries`` are the rows in it, ``charts`` the geometry of its
pictures, ``words`` how it says numbers and times.
"""
