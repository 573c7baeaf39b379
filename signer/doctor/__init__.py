"""``signer doctor``: whether signing would work here, looked at without signing anything."""
