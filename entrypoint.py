"""The container's entry point: hand over to the action."""

from signer.action import main

if __name__ == "__main__":
    main()
