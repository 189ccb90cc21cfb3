"""The version of the program, which manifests, the API and `--version` name."""

__version__ = "0.1.0"
