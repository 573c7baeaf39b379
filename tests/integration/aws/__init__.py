"""The AWS providers against moto's server, corrected where it differs from the service."""
