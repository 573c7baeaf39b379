"""A stand-in for Azure Key Vault, Microsoft Entra ID and ARM discovery (see README.md)."""

from tests.azure_stand_in.answers import Answer
from tests.azure_stand_in.keys import Vault
from tests.azure_stand_in.server import Fault, StandIn, running

__all__ = ["Answer", "Fault", "StandIn", "Vault", "running"]
