"""The gate: which runs may sign, with what. It decides from claims, and knows nothing of keys."""
