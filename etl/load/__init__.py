"""From a staged row to what the API made of it.

``loader`` is the loop: which row is sent when, again, or no more. ``workers`` send at the same
time, each by an ``api`` of its own, which ``access`` makes; ``tokens`` sign what it sends.
``transport`` is its session, ``adapter`` what requests sends by, ``wire`` one connection with a
deadline. ``judge`` alone says what an answer, or its absence, means; ``pacing`` how long to wait;
``breaker`` when to give up.
"""
