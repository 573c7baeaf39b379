"""Verifying: a signed audit, and what is trusted, to a verdict."""
