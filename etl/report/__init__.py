"""From rows and plain facts to the files that people read; ``etl.writing`` has them of a run.

``tables`` says what is in the results and in the rework; ``sheets`` writes a table as CSV or as a
workbook, ``look`` is how a workbook looks, ``summary`` the sheet at which it opens. ``html`` makes
the page of a run from ``templates``; ``charts`` says where the shapes of its pictures are,
``words`` how it writes numbers and times.
"""
