"""``python -m etl``, which does what the command ``fatora-clients`` does."""

from __future__ import annotations

from fatora_clients import main

if __name__ == "__main__":
    main()
