"""The commands of the command line that neither sign nor verify."""
