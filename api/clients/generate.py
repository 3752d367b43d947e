"""Generates the clients from the stored document: `python -m api.clients.generate [python] [typescript]`.

Each folder beside this file pins its generator in a lock file, and has a `smoke` program that a test runs against a
real API. What is generated is large and says nothing that the document does not say, so it is not kept.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from bevyly.errors import MissingDependency

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "openapi.json"
INTO = HERE.parents[1] / "build" / "clients"


def generate_python(into: Path) -> Path:
    """A typed package of httpx and attrs; the folder to put on the path, with its `pyproject.toml`."""
    out = into / "python"
    in_python(
        into, "openapi-python-client", "generate", "--path", str(DOCUMENT), "--output-path", str(out),
        "--config", str(HERE / "python" / "config.yaml"), "--meta", "uv", "--overwrite", "--fail-on-warning",
    )  # fmt: skip
    return out


def generate_typescript(into: Path) -> Path:
    """Types of the document, a typed fetch and what it compiles to; the folder of the npm package."""
    out = into / "typescript"
    shutil.copytree(HERE / "typescript", out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    npm = tool("npm")
    _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], out)
    _run(
        [
            npm,
            "exec",
            "--",
            "openapi-typescript",
            str(DOCUMENT),
            "--output",
            "schema.d.ts",
            "--default-non-nullable=false",
        ],
        out,
    )
    _run([npm, "exec", "--", "tsc"], out)
    return out


def in_python(into: Path, *command: str) -> str:
    """The output of a command in the environment of the Python generator, which the client's packages are part of."""
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str((into / ".venv").absolute())}
    environment.pop("VIRTUAL_ENV", None)
    return _run([tool("uv"), "run", "--frozen", "--project", str(HERE / "python"), *command], into, environment)


def tool(name: str) -> str:
    """Where a program is; raises `MissingDependency`. uv may be the one that `make` brought."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), str(HERE.parents[1] / ".tools/bin"))))
    if found is None:
        raise MissingDependency(f"{name} is not installed: the clients cannot be generated")
    return found


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


def main() -> None:
    """Generate what is named, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="*", choices=["python", "typescript"], default=["python", "typescript"])
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    for name, generate in (("python", generate_python), ("typescript", generate_typescript)):
        if name in arguments.clients:
            print(generate(arguments.into))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
