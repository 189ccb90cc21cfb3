"""A run is a folder: the input, the result for each row, and the proof of both.

``folder`` creates, finds and lists runs. The journal is the record of each row: ``staging`` fills
it, ``journal`` updates it while rows are sent, ``reader`` queries it, and ``database`` defines its
tables. ``manifest`` describes the run and is linked into a ``chain``. ``rework`` follows corrected
rows from run to run, ``refused`` keeps a trace of the files that became no run, ``lock`` keeps two
runs apart, and ``log`` writes ``run.log``.
"""
