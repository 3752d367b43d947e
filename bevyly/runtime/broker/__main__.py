"""`python -m bevyly.runtime.broker`: the broker as a process of its own."""

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from bevyly.runtime.broker.broker import Broker, BrokerConfig, Fsync
from bevyly.runtime.broker.server import BrokerServer
from bevyly.runtime.errors import CannotStart


def main() -> None:
    arguments = _parser().parse_args()
    config = BrokerConfig(
        data_dir=arguments.data_dir.absolute(),
        port=arguments.port,
        advertised_port=arguments.advertised_port,
        fsync=arguments.fsync,
        fsync_seconds=arguments.fsync_seconds,
        upkeep_seconds=arguments.upkeep_seconds,
    )
    try:
        asyncio.run(_run(config))
    except (CannotStart, OSError) as failure:
        sys.exit(f"The Kafka broker cannot run on port {config.port}: {failure}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bevyly.runtime.broker", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--advertised-port", type=int)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--fsync", type=Fsync, choices=list(Fsync), default=Fsync.INTERVAL)
    parser.add_argument("--fsync-seconds", type=float, default=1.0)
    parser.add_argument("--upkeep-seconds", type=float, default=60.0)
    return parser


async def _run(config: BrokerConfig) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(config, now=lambda: time.time_ns() // 1_000_000)
    await BrokerServer(broker).run(stop)


if __name__ == "__main__":
    main()
