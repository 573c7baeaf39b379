"""What is signed: an audit file read once, its events, their Merkle tree, the statement."""
