"""What operators see of their MCP servers: over HTTP, and from the doctor."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import ServiceFactory
from tests.support.mcp_servers import MODERN
from tests.support.service import Service, free_port

SETTINGS = """
[[mcp.servers]]
label = "here"
command = {python}
args = [{script}, "stdio"]
env = {{ SECRET = "hunter2" }}
description = "A program"
allowed_tools = ["add", "pid"]
connector = "connector_here"
require_approval = "always"

[[mcp.servers]]
label = "gone"
url = "http://127.0.0.1:{port}/mcp?key=hunter2"
headers = {{ Authorization = "Bearer hunter2" }}
"""


def get(service: Service, path: str) -> tuple[int, dict[str, Any], str]:
    try:
        with urllib.request.urlopen(f"{service.url}{path}", timeout=30) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    return status, json.loads(text), text


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    text = SETTINGS.format(
        python=json.dumps(sys.executable), script=json.dumps(str(MODERN)), port=free_port()
    )
    file.write_text(text)
    return file


def test_servers_and_their_tools_are_listed(
    service_factory: ServiceFactory, database_url: str, config: Path
) -> None:
    env = {"RESPONSES_GW_CONFIG": str(config), "RESPONSES_GW_DATABASE_URL": database_url}
    service = service_factory(env)
    status, found, text = get(service, "/v1/mcp/servers")
    assert status == 200
    assert found == {
        "object": "list",
        "data": [
            {
                "id": "here",
                "object": "mcp.server",
                "transport": "stdio",
                "description": "A program",
                "connector_id": "connector_here",
                "allowed_tools": ["add", "pid"],
                "require_approval": "always",
            },
            {
                "id": "gone",
                "object": "mcp.server",
                "transport": "streamable_http",
                "description": None,
                "connector_id": None,
                "allowed_tools": None,
                "require_approval": "never",
            },
        ],
        "first_id": "here",
        "last_id": "gone",
        "has_more": False,
    }
    assert "hunter2" not in text and "127.0.0.1" not in text
    status, found, _ = get(service, "/v1/mcp/servers/here/tools")
    assert status == 200 and found["has_more"] is False
    assert [(tool["object"], tool["name"]) for tool in found["data"]] == [
        ("mcp.tool", "add"),
        ("mcp.tool", "pid"),
    ]
    assert (found["first_id"], found["last_id"]) == ("add", "pid")
    assert found["data"][0]["input_schema"]["required"] == ["a", "b"]
    status, found, _ = get(service, "/v1/mcp/servers/nobody/tools")
    assert (status, found["error"]["message"]) == (404, "MCP server with id 'nobody' not found.")
    status, found, text = get(service, "/v1/mcp/servers/gone/tools")
    assert status == 424
    assert found["error"]["type"] == "external_connector_error"
    assert found["error"]["code"] == "http_error"
    assert "hunter2" not in text and "127.0.0.1" not in text
    service.stop()
    assert "hunter2" not in service.log
