"""From the bytes of a spreadsheet to rows of text, exactly as a person sees them.

``inputs`` finds the files; ``table`` opens one whatever its format, ``header`` finds its columns.
``csvfile`` and ``workbook`` read theirs, a workbook's rows by ``sheet`` and its texts by
``strings``, both from its ``markup``. ``cells`` alone turns a cell into text, a number with the
help of ``formats``.
"""
