"""The sandbox: a real HTTP server on this machine that behaves like the Fatora API.

It answers as the vendor's pages say (fatora.io/api), their contradictions included: an update takes
``notes`` and answers ``note``, and an error is a string in one place and an object in another. It
can be told to be slow, to fail and to throttle (``app.Behaviour``). Like the test cards of payment
providers, some e-mail addresses are magic: where the part before the ``@`` ends in ``+`` and three
digits from 400 to 599, the update is answered with that HTTP status and changes nothing, so
``hessa+409@example.com`` meets a conflict. Clients live in memory and are gone when it stops.
"""

API_KEY = "sandbox-key-that-opens-no-account"
"""The only key that the sandbox exchanges for a bearer token. Fatora knows no such key."""
