"""The embedded KMS: a simulation of AWS KMS whose keys are files in a directory.

It has the operations, limits and errors of the real service, so that a pipeline can be built
and tried without an account. It is no safe for keys: whoever can read the directory has them.
docs/embedded-kms.md says more.
"""
