"""Keys: a tenant's, or an entity's of a tenant that is spread; partitions as Kafka's Java client chooses them."""

import pytest

from bevyly.events.keys import message_key, partition_for

# from Kafka's own UtilsTest.testMurmur2
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


def test_a_key_is_the_tenants_unless_it_is_spread() -> None:
    assert message_key("t", "lead/1", False) == "t"
    assert message_key("t", "lead/1", True) == "t/lead/1"


@pytest.mark.parametrize(("text", "murmur"), JAVA.items())
def test_partitions_are_those_of_the_java_client(text: str, murmur: int) -> None:
    for partitions in (1, 6, 7, 1_000_003):
        assert partition_for(text, partitions) == (murmur & 0x7FFFFFFF) % partitions


def test_a_spread_tenant_uses_many_partitions_and_an_entity_one() -> None:
    keys = [message_key("t", f"lead/{number}", True) for number in range(1_000)]
    used = [partition_for(key, 6) for key in keys]
    assert all(used.count(partition) > 100 for partition in range(6))
    assert used == [partition_for(key, 6) for key in keys]
