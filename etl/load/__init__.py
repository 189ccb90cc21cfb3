"""From a staged row to the result of its update.

``loader`` is the loop: it decides which row is sent next, sent again, or not sent. ``workers`` send
in parallel, each over its own ``api``, which ``access`` makes. ``tokens`` gives the bearer token.
``transport`` makes attempts, each with one deadline; ``adapter`` speaks HTTP over one kept
connection; ``wire`` opens connections. ``judge`` decides what an answer, or a missing answer,
means, and ``wording`` quotes answers. ``pacing`` decides how long to wait, ``breaker`` when to
give up.
"""
