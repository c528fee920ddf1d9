"""The command line, run in process, against a store at rest and against a control socket."""
