"""API keys: their tenant can be read, a mistake in them is seen, and what is kept cannot be turned back."""

from hypothesis import given
from hypothesis import strategies as st

from bevyly.identity import keys
from bevyly.ids import new_id


def test_a_key_names_its_tenant_and_its_kind() -> None:
    tenant = new_id()
    secret = keys.mint(keys.LIVE, tenant)
    assert keys.tenant_in(keys.LIVE, secret.text) == tenant
    assert keys.tenant_in(keys.REFRESH, secret.text) is None
    assert secret.hash == keys.hash_of(secret.text)
    assert secret.text not in repr(secret)
    assert not secret.text.startswith(secret.prefix)


def test_every_mistyped_character_is_noticed() -> None:
    text = keys.mint(keys.LIVE, new_id()).text
    for place, letter in enumerate(text):
        other = "0" if letter != "0" else "1"
        assert keys.tenant_in(keys.LIVE, text[:place] + other + text[place + 1 :]) is None


@given(st.text(max_size=100))
def test_other_text_is_no_key(text: str) -> None:
    assert keys.tenant_in(keys.LIVE, keys.LIVE + text) is None


def test_two_keys_are_never_alike() -> None:
    tenant = new_id()
    assert len({keys.mint(keys.LIVE, tenant).text for _ in range(1000)}) == 1000
