"""What is looked at stays; what nobody has looked at for longest goes."""

from onsale.kit.lru import Lru


def test_the_one_that_nobody_looked_at_for_longest_goes():
    kept: Lru[str, int] = Lru(2)
    kept.put("ann", 1)
    kept.put("bob", 2)
    assert kept.get("ann") == 1
    kept.put("cat", 3)
    assert (kept.get("ann"), kept.get("bob"), kept.get("cat")) == (1, None, 3)
    kept.put("ann", 4)
    kept.put("dan", 5)
    assert (kept.get("ann"), kept.get("cat"), kept.get("dan")) == (4, None, 5)


def test_what_is_forgotten_is_gone_and_makes_room():
    kept: Lru[str, int] = Lru(2)
    kept.put("ann", 1)
    kept.put("bob", 2)
    kept.forget("bob")
    kept.forget("cat")
    kept.put("dan", 3)
    assert (kept.get("ann"), kept.get("bob"), kept.get("dan")) == (1, None, 3)
