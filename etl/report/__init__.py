"""From the journal to the files that people read.

``tables`` says what stands in the results and in the rework; ``sheets`` writes a table as CSV or as
a workbook.
"""
