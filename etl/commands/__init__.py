"""The commands, a module each: parse the options, call `etl.jobs`, print, choose the exit code."""
