"""How a statement is packed: the DSSE envelope and the Sigstore bundle."""
