"""The command line's options and printing, and the commands that neither sign nor verify."""
