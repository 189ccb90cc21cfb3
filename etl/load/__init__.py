"""From a staged row to the result of its update, or of reading its client.

``loader`` is the loop: it starts rows, records them and stops. ``tasks`` has the rows that wait or
are under way, ``retries`` decides which are sent again, ``pacing`` how long to wait, ``throttle``
which rate the API allows, and ``breaker`` when to give up; ``clock`` has the time. ``results`` has
what the journal and the log get. ``workers`` send in parallel, each over its own ``api``, which
``access`` makes. ``tokens`` gives the bearer token. ``transport`` makes attempts, each with one
deadline; ``adapter`` speaks HTTP over one kept connection; ``wire`` opens connections. ``judge``
decides what an answer, or a missing answer, means, ``reading`` what it means for a client that was
to be read, and ``wording`` quotes answers.
"""
