"""From a staged row to the result of its update.

``loader`` is the loop: it decides which row is sent next, sent again, or left. ``workers`` send in
parallel, each over an ``api`` of its own, which ``access`` makes; ``tokens`` gives the bearer
token. ``transport`` is a session, ``adapter`` its way to send, ``wire`` one connection with a
deadline. ``judge`` alone decides what an answer, or its absence, means; ``wording`` puts it into
words that may be shown. ``pacing`` decides how long to wait, ``breaker`` when to give up.
"""
