"""From the bytes of a spreadsheet to rows of text, exactly as people see them.

``inputs`` finds the files. ``table`` opens one, of any format, and ``header`` finds its columns.
``csvfile`` reads a CSV; ``workbook`` reads a workbook, with ``sheet`` for its rows and ``strings``
for its shared texts; ``markup`` parses the XML of both. ``cells`` turns each cell into text, and
``formats`` a number or a date.
"""
