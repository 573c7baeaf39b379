import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.audit.merkle import MerkleTree, leaf_hash, node_hash, subtrees
from tests.unit.audit.reference import tree_hash

# The inputs and roots of certificate-transparency's merkletree tests.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("count", range(len(ROOTS)))
def test_the_reference_vectors(count: int) -> None:
    leaves = LEAVES[:count]
    at_once = MerkleTree()
    at_once.add_leaves([leaf_hash(leaf) for leaf in leaves])
    one_by_one = MerkleTree()
    for leaf in leaves:
        one_by_one.add_leaves([leaf_hash(leaf)])
    assert at_once.root().hex() == one_by_one.root().hex() == ROOTS[count]
    assert at_once.event_count == one_by_one.event_count == count
    assert tree_hash(leaves).hex() == ROOTS[count]


@given(st.lists(st.integers(0, 40), max_size=8))
def test_any_way_of_cutting_gives_the_same_root(sizes: list[int]) -> None:
    leaves = [bytes([n % 251]) for n in range(sum(sizes))]
    tree = MerkleTree()
    for size in sizes:
        start = tree.event_count
        tree.add_leaves([leaf_hash(leaf) for leaf in leaves[start : start + size]])
    assert tree.root() == tree_hash(leaves)
    assert tree.event_count == len(leaves)


@given(st.integers(0, 1 << 40), st.integers(0, 300))
def test_subtrees_are_few_and_aligned(start: int, count: int) -> None:
    found = subtrees([bytes(32)] * count, start)
    assert sum(1 << level for level, _ in found) == count
    assert len(found) <= 2 * count.bit_length()
    for level, _ in found:
        assert start % (1 << level) == 0
        start += 1 << level


def test_a_subtree_at_the_wrong_place_is_an_error() -> None:
    tree = MerkleTree()
    tree.add_leaves([bytes(32)])
    with pytest.raises(ValueError, match="level 1 cannot start at 1"):
        tree.add([(1, bytes(32))])


def test_leaves_and_nodes_cannot_be_mistaken_for_each_other() -> None:
    one, two = leaf_hash(b"1"), leaf_hash(b"2")
    assert leaf_hash(one + two) != node_hash(one, two)
