"""Signing: audit files in, signed audits out."""
