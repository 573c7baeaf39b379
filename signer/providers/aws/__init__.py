"""What both AWS providers share: everything but the way a call is made.

``reference`` names keys and regions, ``calls`` is what either way of calling offers (``sdk``:
boto3; ``cli``: the ``aws`` command line), ``api`` adds retries and clear errors (``failures``),
``access`` signs in, ``key`` is the provider itself, ``secret`` reads Secrets Manager.
"""
