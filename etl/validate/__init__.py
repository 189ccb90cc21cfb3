"""From rows of text to rows that may be sent, and what is wrong with the others.

``clean`` says what is sent for a cell, ``schema`` is the pandera contract of a client, ``checking``
puts the two together; ``duplicates`` judges the file as a whole.
"""
