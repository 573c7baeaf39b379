"""What both ways to Azure Key Vault share: names, keys, errors and signing in."""
