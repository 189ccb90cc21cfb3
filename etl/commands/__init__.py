"""The commands, a module each: parse the options, call the job, print, choose the exit code."""
