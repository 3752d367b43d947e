"""Stands in for OpenAI on loopback: the Responses API, as its own package's types describe requests and answers.

It answers what a test says, or misbehaves as told. Does not belong here: what any test expects of the answers.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

_REQUEST = TypeAdapter(ResponseCreateParamsNonStreaming)
_STATUSES = {"rate limit": 429, "server error": 500, "key": 401}


@dataclass
class StandIn:
    """Answers `say(request)`. Each call first takes one of `faults`: a status above, `slow`, `malformed`, `declined`,
    `cut off`, or None. `requests` has what was asked."""

    say: Callable[[dict[str, Any]], str] = lambda _: "Call now, they have not replied and it is time to ask."
    faults: deque[str | None] = field(default_factory=deque)
    slow: float = 1.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    url: str = ""


@contextmanager
def openai_stand_in(**behaviour: Any) -> Iterator[StandIn]:
    """A server for as long as the block lasts."""
    stand_in = StandIn(**behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
    stand_in.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stand_in.calls += 1
            content = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/responses"
            assert self.headers["authorization"].startswith("Bearer ")
            asked = json.loads(content)
            _REQUEST.validate_python(asked)
            shape = asked["text"]["format"]
            assert shape["strict"] is True
            assert shape["schema"]["additionalProperties"] is False
            stand_in.requests.append(asked)
            self._reply(*_answer(stand_in, asked))

        def _reply(self, status: int, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                if status != 200:
                    self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # whoever asked waits no longer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _answer(stand_in: StandIn, asked: dict[str, Any]) -> tuple[int, bytes]:
    fault = stand_in.faults.popleft() if stand_in.faults else None
    if fault in _STATUSES:
        error = {"message": "stand-in", "type": "stand_in", "param": None, "code": None}
        return _STATUSES[fault], json.dumps({"error": error}).encode()
    if fault == "slow":
        time.sleep(stand_in.slow)
    said = {"type": "output_text", "text": json.dumps({"text": stand_in.say(asked)}), "annotations": []}
    if fault == "malformed":
        said["text"] = '{"text": "No answer to'
    if fault == "declined":
        said = {"type": "refusal", "refusal": "I would rather not."}
    body = {
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": asked["model"],
        "status": "incomplete" if fault == "cut off" else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if fault == "cut off" else None,
        "output": [
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [said]}
        ],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    Response.model_validate(body, strict=True)
    return 200, json.dumps(body).encode()
