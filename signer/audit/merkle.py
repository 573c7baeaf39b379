"""The Merkle tree hash of RFC 6962, section 2.1, with SHA-256, for a stream of events.

A tree over events 0 … n is reduced as it grows: a complete, aligned subtree is kept as its one
hash, so that a tree of n events takes at most log2(n) of them ("compact range").
"""

from collections.abc import Iterable
from hashlib import sha256
from operator import add

# A complete subtree: its level (it covers 2**level events, from a multiple of that) and its hash.
Subtree = tuple[int, bytes]

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"


def leaf_hash(event: bytes) -> bytes:
    """The 32-byte hash of one event."""
    return sha256(LEAF_PREFIX + event).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of an inner node, from the hashes of its two children."""
    return sha256(NODE_PREFIX + left + right).digest()


def leaf_hashes(events: Iterable[bytes]) -> list[bytes]:
    """The hashes of many events."""
    return _hash_each(LEAF_PREFIX, events)


def _hash_each(prefix: bytes, messages: Iterable[bytes]) -> list[bytes]:
    # To copy a hash that has taken the prefix is 8 % cheaper, all in all, than to put the prefix
    # before each message.
    prefixed = sha256(prefix).copy
    hashes = []
    for message in messages:
        one = prefixed()
        one.update(message)
        hashes.append(one.digest())
    return hashes


def subtrees(leaves: list[bytes], start: int) -> list[Subtree]:
    """Reduce consecutive leaf hashes to the largest aligned subtrees, from left to right.

    Args:
        leaves: their hashes, 32 bytes each.
        start: the index of the first of them in the whole tree.
    """
    left: list[Subtree] = []
    right: list[Subtree] = []
    hashes = leaves
    level = 0
    while hashes:
        first = start & 1
        if first:  # a right child, whose left sibling came before: nothing to pair it with here
            left.append((level, hashes[0]))
        if (len(hashes) - first) & 1:  # a left child, whose right sibling is yet to come
            right.append((level, hashes[-1]))
        # map ends at the shorter side, which drops that last left child.
        hashes = _hash_each(NODE_PREFIX, map(add, hashes[first::2], hashes[first + 1 :: 2]))
        start = (start + first) >> 1
        level += 1
    right.reverse()
    return left + right


class MerkleTree:
    """A tree that grows to the right.

    Attributes:
        event_count: how many events it covers.
    """

    def __init__(self) -> None:
        self.event_count = 0
        self._subtrees: list[Subtree] = []  # levels fall from left to right

    def add(self, more: Iterable[Subtree]) -> None:
        """Add what `subtrees` made of the next events.

        Raises:
            ValueError: a subtree does not start at a multiple of its size.
        """
        stack = self._subtrees
        for level, value in more:
            if self.event_count & ((1 << level) - 1):
                raise ValueError(f"a subtree of level {level} cannot start at {self.event_count}")
            self.event_count += 1 << level
            while stack and stack[-1][0] == level:
                value = node_hash(stack.pop()[1], value)
                level += 1
            stack.append((level, value))

    def add_leaves(self, leaves: list[bytes]) -> None:
        """Add the next events, by their leaf hashes."""
        self.add(subtrees(leaves, self.event_count))

    def root(self) -> bytes:
        """The 32-byte tree hash; that of no events is SHA-256 of nothing."""
        if not self._subtrees:
            return sha256().digest()
        hashes = [value for _, value in self._subtrees]
        root = hashes.pop()
        while hashes:
            root = node_hash(hashes.pop(), root)
        return root
