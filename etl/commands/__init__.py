"""The words of the command line, one module each: parse, call, print, choose the exit code."""
