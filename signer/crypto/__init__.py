"""Algorithms, hashers and public keys: what a signature is, and how it is checked offline."""
