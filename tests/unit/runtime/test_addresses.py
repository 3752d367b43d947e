"""The secrets of a machine: made once, kept when everything stops, and those of the environment win."""

from pathlib import Path

import pytest

from bevyly.encryption import Vault
from bevyly.runtime import addresses
from bevyly.settings import Settings, load_settings

MADE_ONCE = ("JWT_SECRET", "ENCRYPTION_KEYS")


def secrets(known: dict[str, str]) -> list[str]:
    return [known[name] for name in MADE_ONCE]


def test_secrets_survive_a_stop_and_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(bevyly_home=tmp_path)
    first = addresses.addresses(settings, {})
    addresses.publish(tmp_path, first)
    addresses.withdraw(tmp_path)
    assert sorted(addresses.read(tmp_path)) == sorted(MADE_ONCE)
    second = addresses.addresses(settings, {})
    assert secrets(second) == secrets(first)
    addresses.publish(tmp_path, second)
    monkeypatch.setenv("BEVYLY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    vault = Vault.of(load_settings())
    assert vault.open(vault.seal("text")) == "text"


def test_each_machine_makes_its_own(tmp_path: Path) -> None:
    one, other = (addresses.addresses(Settings(bevyly_home=tmp_path / name), {}) for name in "ab")
    assert not set(secrets(one)) & set(secrets(other))


def test_what_the_environment_names_is_used(tmp_path: Path) -> None:
    settings = Settings(bevyly_home=tmp_path, encryption_keys="mine", jwt_secret="mine too")
    assert secrets(addresses.addresses(settings, {})) == ["mine too", "mine"]
