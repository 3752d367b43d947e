"""Signatures, and secrets that overlap."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bevyly.encryption import CannotDecrypt, Vault, new_key
from bevyly.errors import MissingDependency
from bevyly.settings import Settings
from bevyly.webhooks import signing

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def vault() -> Vault:
    return Vault([new_key()])


def signers(held: list[Any], vault: Vault, secrets: list[str], at: datetime) -> list[int]:
    """Which of `secrets` verify."""
    made = signing.headers(held, vault, message_id="m", at=at, body='{"ä":1}')
    found = []
    for index, secret in enumerate(secrets):
        expected = Webhook(secret).sign("m", at, '{"ä":1}')
        found += [index] if expected in made["webhook-signature"].split(" ") else []
    return found


def test_the_library_for_receivers_verifies_what_we_sign(vault: Vault) -> None:
    secret = signing.mint()
    made = signing.headers([signing.sealed(secret, vault)], vault, message_id="m", at=datetime.now(UTC), body='{"ä":1}')
    assert Webhook(secret).verify('{"ä":1}'.encode(), made) == {"ä": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.mint()).verify('{"ä":1}', made)


def test_secrets_overlap_and_end(vault: Vault) -> None:
    secrets = [signing.mint() for _ in range(3)]
    held: list[Any] = [signing.sealed(secrets[0], vault)]
    held = signing.rotated(held, secrets[1], vault, now=NOW, overlap=DAY)
    held = signing.rotated(held, secrets[2], vault, now=NOW + DAY / 2, overlap=DAY)
    assert signers(held, vault, secrets, NOW + DAY / 2) == [0, 1, 2]
    assert signers(held, vault, secrets, NOW + DAY) == [1, 2]
    assert signers(held, vault, secrets, NOW + 2 * DAY) == [2]
    assert len(signing.rotated(held, signing.mint(), vault, now=NOW + 2 * DAY, overlap=DAY)) == 2


def test_without_overlap_the_old_secret_ends_at_once_and_many_are_bounded(vault: Vault) -> None:
    held: list[Any] = [signing.sealed(signing.mint(), vault)]
    assert len(signing.rotated(held, signing.mint(), vault, now=NOW, overlap=timedelta(0))) == 1
    for _ in range(10):
        held = list(signing.rotated(held, signing.mint(), vault, now=NOW, overlap=DAY))
    assert len(held) == signing.MAX_SECRETS


def test_keys_rotate_and_a_lost_one_is_an_error() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal("text")
    assert "text" not in sealed
    assert Vault([new, old]).open(sealed) == "text"
    with pytest.raises(CannotDecrypt):
        Vault([new]).open(sealed)


def test_a_missing_or_wrong_key_is_said_in_one_sentence() -> None:
    with pytest.raises(
        MissingDependency, match=r"^The key .* is not configured: run `bevyly up`, or set ENCRYPTION_KEYS\.$"
    ):
        Vault.of(Settings())
    with pytest.raises(MissingDependency, match=r"^ENCRYPTION_KEYS holds something that is no Fernet key"):
        Vault.of(Settings(encryption_keys="short"))
    assert Vault.of(Settings(encryption_keys=f"{new_key()}, {new_key()}"))
