"""A run is a folder: the input, the result of each row, and the proof of both.

``folder`` creates, finds and lists runs. The journal is the record of each row: ``staging`` fills
it, ``journal`` updates it while rows are sent, ``reader`` queries it, ``plan`` keeps how each row
changes its client, and ``database`` defines its tables. ``chain`` links the manifests of all runs.
``rework`` follows corrected rows from run to run. ``refused`` records the files that could not be
used, for which there is no run. ``lock`` lets one program at a time use the runs folder, and
``log`` writes ``run.log``.
"""
