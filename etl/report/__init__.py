"""From rows and plain facts to the files that people read; ``etl.writing`` has them of a run.

``tables`` has the columns of the results and the rework; ``sheets`` writes a table as CSV or as a
workbook, ``look`` has a workbook's formats, ``summary`` the sheet that it opens with. ``html``
makes the page of a run from ``templates``; ``entries`` are the rows in it, ``charts`` the geometry
of its pictures, ``words`` how it writes numbers and times.
"""
