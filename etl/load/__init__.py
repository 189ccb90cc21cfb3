"""From a staged row to what the API made of it.

``loader`` is the loop: which row is sent when, again, or no more. ``workers`` send at the same
time, ``api`` makes the call over a ``connection``: ``transport`` is its session, ``adapter`` what
requests sends by, ``wire`` one connection with a deadline; ``tokens`` sign it. ``judge`` alone says
what an answer, or its absence, means; ``pacing`` how long to wait; ``breaker`` when to give up.
"""
