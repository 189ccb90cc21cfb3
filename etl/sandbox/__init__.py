"""The sandbox: a real HTTP server on this machine that behaves like the Fatora API.

It answers as the vendor's pages describe (fatora.io/api), including their contradictions: an update
takes ``notes`` and answers ``note``, and an error is sometimes a string and sometimes an object. It
can be slow, fail and throttle on request (``app.Behaviour``). Clients are kept in memory until the
sandbox stops (``store``); somebody else may change them meanwhile (``churn``), and an update may
replace a client or store its values normalised (``normal``). Like the test cards of payment
providers, some e-mail addresses are special: if the part before the ``@`` ends in ``+`` and three
digits from 400 to 599, the answer has that HTTP status and nothing is updated. For example,
``hessa+409@example.com`` gets a conflict.
"""

API_KEY = "sandbox-key-that-opens-no-account"
"""The only key that the sandbox exchanges for a bearer token. Fatora does not accept it."""
