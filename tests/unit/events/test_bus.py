"""How processes reach Kafka: what the settings mean."""

import pytest
from pydantic import SecretStr

from bevyly.errors import MissingDependency
from bevyly.events.bus import connection_config
from bevyly.settings import Settings


def test_a_user_name_means_scram_over_tls() -> None:
    settings = Settings(kafka_brokers="b:9093", kafka_username="bevyly", kafka_password=SecretStr("secret"))
    config = connection_config(settings)
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanisms"] == "SCRAM-SHA-512"
    assert (config["sasl.username"], config["sasl.password"]) == ("bevyly", "secret")
    assert config["bootstrap.servers"] == "b:9093"


def test_without_one_the_connection_is_plain() -> None:
    assert not {"security.protocol", "sasl.password"} & connection_config(Settings(kafka_brokers="b:9092")).keys()


def test_no_brokers_is_said_with_what_to_do() -> None:
    with pytest.raises(MissingDependency, match="KAFKA_BROKERS"):
        connection_config(Settings())
