"""The runner: its inputs, files, commands and tokens."""
