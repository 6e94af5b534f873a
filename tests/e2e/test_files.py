"""Files in the input, through the running service: the model reads their text, on every turn."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from openai import OpenAI

from ..support.pdf import bomb, pdf
from ..support.service import Service
from ..support.upstream import ScriptedUpstream

PDF_URL = (
    "data:application/pdf;base64," + base64.b64encode(pdf("Grandmother bakes", "pies")).decode()
)
PDF_TEXT = (
    'Content of the file "recipe.pdf" (2 pages):\n'
    "```\n[page 1]\nGrandmother bakes\n\n[page 2]\npies\n```"
)


class Site:
    """A web server whose one page is another one each time it is asked for."""

    def __init__(self) -> None:
        self.visits = 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.visits += 1
                body = f"version {site.visits}".encode()
                self.send_response(404 if self.path == "/missing" else 200)
                self.send_header("content-type", "text/markdown")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture(scope="module")
def service_env(base_env: dict[str, str]) -> dict[str, str]:
    return base_env | {
        "RESPONSES_GW_EGRESS_ALLOWED_HOSTS": "127.0.0.1",
        "RESPONSES_GW_FILES_MAX_BYTES": "1000000",
        "RESPONSES_GW_FILES_MAX_FILES": "3",
        "RESPONSES_GW_FILES_MAX_CHARACTERS": "2000",
        "RESPONSES_GW_FILES_PDF_SECONDS": "2",
        # every turn reads its history from the database
        "RESPONSES_GW_DATABASE_HISTORY_CACHE_BYTES": "0",
    }


def user(*parts: dict[str, object]) -> dict[str, object]:
    return {"role": "user", "content": list(parts)}


def attached(**fields: str) -> dict[str, object]:
    return {"type": "input_file", **fields}


def asked(text: str) -> dict[str, object]:
    return {"type": "input_text", "text": text}


def test_a_chain_shows_a_pdf_with_the_same_bytes_on_every_turn(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    sent = user(attached(filename="recipe.pdf", file_data=PDF_URL), asked("Who bakes?"))
    first = client.responses.create(model="tiny", input=[sent])
    second = client.responses.create(model="tiny", input="And what?", previous_response_id=first.id)
    client.responses.create(model="tiny", input="Why?", previous_response_id=second.id)
    content = [{"type": "text", "text": PDF_TEXT}, {"type": "text", "text": "Who bakes?"}]
    assert upstream.requests[0].messages == [{"role": "user", "content": content}]
    bodies = [request.body for request in upstream.requests]
    for earlier, later in itertools.pairwise(bodies):
        shared = earlier[: earlier.index(b'],"stream"')]
        assert later.startswith(shared)


def test_what_is_listed_is_what_was_sent(client: OpenAI, upstream: ScriptedUpstream) -> None:
    file = attached(filename="recipe.pdf", file_data=PDF_URL)
    response = client.responses.create(model="tiny", input=[user(file, asked("Who?"))])
    items = client.responses.input_items.list(response.id).data
    assert len(items) == 1
    part = items[0].content[0]
    assert (part.type, part.filename, part.file_data) == ("input_file", "recipe.pdf", PDF_URL)


def test_a_url_is_fetched_once_in_the_life_of_a_chain(
    client: OpenAI, upstream: ScriptedUpstream, site: Site
) -> None:
    sent = user(attached(file_url=f"{site.url}/notes%20a.md"))
    first = client.responses.create(model="tiny", input=[sent])
    second = client.responses.create(model="tiny", input="And?", previous_response_id=first.id)
    text = 'Content of the file "notes a.md":\n```\nversion 1\n```'
    assert [request.messages[0]["content"] for request in upstream.requests] == [text, text]
    # one who refers to the stored item gets what it was when it was stored, in a third chain, too
    item = client.responses.input_items.list(first.id).data[0]
    reference = {"type": "item_reference", "id": item.id}
    third = client.responses.create(model="tiny", input=[reference])
    client.responses.create(model="tiny", input="And?", previous_response_id=third.id)
    assert [request.messages[0]["content"] for request in upstream.requests[2:]] == [text, text]
    copy = client.responses.input_items.list(third.id).data[0]
    assert copy.content[0].file_url == f"{site.url}/notes%20a.md"
    assert second.id != third.id
    assert site.visits == 1


def test_a_file_in_a_tools_output_and_in_a_developer_message_is_text(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    file = attached(filename="a.txt", file_data="aGVsbG8=")
    text = 'Content of the file "a.txt":\n```\nhello\n```'
    items: list[dict[str, object]] = [
        {"role": "developer", "content": [file]},
        user(asked("Read it.")),
        {"type": "function_call", "name": "read", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": [file]},
    ]
    client.responses.create(model="tiny", store=False, input=items)
    messages = upstream.requests[0].messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[0]["content"] == text
    assert messages[3]["content"] == text


# (the file, code, the last step of the path, a part of the message)
WRONG = [
    ({"file_data": "@@@"}, "invalid_value", "file_data", "base64"),
    ({"file_data": "A" * 1_500_000}, "invalid_value", "file_data", "at most 1000000 bytes"),
    ({"file_data": "data:,," + "x" * 2000}, "unsupported_value", "file_data", "2000 characters"),
    ({"file_data": "iVBORw0KGgoAAAAN"}, "unsupported_value", "file_data", "cannot read files"),
    ({"file_data": "JVBERi0xLjQK"}, "unsupported_value", "file_data", "not a valid PDF"),
    ({"file_id": "file-1"}, "unsupported_value", "file_id", "not as 'file_id'"),
    ({"file_url": "https://10.0.0.1/"}, "invalid_value", "file_url", "cannot be reached"),
    ({"file_url": "http://93.184.216.34/"}, "invalid_value", "file_url", "not an https:// URL"),
    ({"file_url": "file:///etc/passwd"}, "invalid_value", "file_url", "https"),
    ({"file_url": "{site}/missing"}, "invalid_value", "file_url", "status 404"),
]


@pytest.mark.parametrize(("fields", "code", "step", "message"), WRONG)
def test_a_wrong_file_is_a_400_with_its_path(
    client: OpenAI,
    upstream: ScriptedUpstream,
    site: Site,
    fields: dict[str, str],
    code: str,
    step: str,
    message: str,
) -> None:
    file = attached(**{name: value.replace("{site}", site.url) for name, value in fields.items()})
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="tiny", input=[user(asked("a")), user(asked("b"), file)])
    assert (caught.value.code, caught.value.param) == (code, f"input[1].content[1].{step}")
    assert message in caught.value.message
    assert not upstream.requests


def test_too_many_files_are_refused(client: OpenAI, upstream: ScriptedUpstream) -> None:
    file = attached(file_data="aGVsbG8=")
    client.responses.create(model="tiny", input=[user(file, file, file)])
    with pytest.raises(openai.BadRequestError, match="at most 3"):
        client.responses.create(model="tiny", input=[user(file, file), user(file, file)])


def test_a_bomb_is_a_400_while_others_are_served(
    client: OpenAI, upstream: ScriptedUpstream, service: Service
) -> None:
    file = attached(file_data=base64.b64encode(bomb(60)).decode())
    errors: list[Exception] = []

    def send() -> None:
        try:
            client.responses.create(model="tiny", input=[user(file)])
        except openai.OpenAIError as error:
            errors.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    served = 0
    while thread.is_alive():
        answered = client.responses.create(model="tiny", input="Hello", timeout=2)
        served += answered.status == "completed"
    thread.join()
    assert [type(error) for error in errors] == [openai.BadRequestError]
    assert "more than 2 seconds" in str(errors[0])
    assert served > 10
    good = attached(filename="recipe.pdf", file_data=PDF_URL)
    client.responses.create(model="tiny", input=[user(good)])
    assert upstream.requests[-1].messages[0]["content"] == PDF_TEXT
