"""A run is a folder: what was sent in, what became of each row, and the proof of it.

``folder`` makes, finds and lists them. The record of each row is the journal: ``staging`` fills it,
``journal`` keeps it while rows are sent, ``reader`` tells what stands in it, ``database`` has its
tables. ``manifest`` says what the run was, and is linked into a ``chain``; ``lock`` keeps two runs
apart; ``log`` writes ``run.log``.
"""
