"""From the bytes of a spreadsheet to rows of text, exactly as a person sees them.

``table`` opens a file whatever its format; ``csvfile`` and ``workbook`` read theirs; ``header``
finds the columns; ``cells`` alone turns a cell into text; ``inputs`` finds the files.
"""
