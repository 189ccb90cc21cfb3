"""A run is a folder: what was sent in, what became of each row, and the proof of it.

``folder`` makes, finds and lists them; ``journal`` is the record of each row; ``manifest`` says
what the run was; ``lock`` keeps two runs apart; ``log`` writes ``run.log``.
"""
