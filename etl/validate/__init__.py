"""From rows of text to rows that can be sent, and the faults of the others.

``clean`` returns the value that is sent for a cell, ``schema`` is the pandera schema of a client,
and ``checking`` applies both to each row. ``duplicates`` is about rows that share an id.
"""
