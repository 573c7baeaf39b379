"""Inputs, environment and options as pydantic models.

One setting has one name. ``audit-file`` is an input in ``action.yml``, ``POLICY_AUDIT_FILE`` in
the environment and ``--audit-file`` on the command line. What is said outright (input or
option) wins over the environment, and an empty value is an unset one. Secrets come from the
environment only.

``given`` (what was said) goes through ``load``, which asks ``conflicts``, ``aws`` and ``azure``
what does not go together, into one of the ``models``, whose fields are ``values``.
"""
