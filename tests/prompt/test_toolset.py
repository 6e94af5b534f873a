"""Tools become chat functions with names that lead back to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from responses_gw.api.errors import ApiError
from responses_gw.api.tools import TOOLS, CallTarget, Tool
from responses_gw.api.validate import decode_create_response, decode_tool
from responses_gw.prompt.toolset import ChatTools, HostedFunction, Toolset, chat_name

Json = dict[str, Any]
F: Json = {"type": "function", "name": "f", "parameters": {"type": "object"}}
SPACE: Json = {"type": "namespace", "name": "mcp__mini", "description": "d", "tools": [
    {"type": "function", "name": "shout", "parameters": {}},
    {"type": "custom", "name": "raw"},
]}  # fmt: skip
SEARCH: Json = {"type": "tool_search", "execution": "client", "description": "finds"}
LATER: Json = {**F, "name": "later", "defer_loading": True}
SERVED = [
    HostedFunction(CallTarget("mcp", "add", "one"), Raw(b"{}")),
    HostedFunction(CallTarget("mcp", "sub", "one"), Raw(b"{}")),
    HostedFunction(CallTarget("mcp_approval", "add", "two"), Raw(b"{}")),
]


def tool(fields: Json) -> Tool:
    return decode_tool(Raw(json.dumps(fields).encode()), "tools[0]")


def chosen(
    tools: list[Json],
    choice: object = "auto",
    *,
    found: list[Json] | None = None,
    hosted: list[HostedFunction] | None = None,
) -> ChatTools:
    body = {"model": "m", "input": "q", "tools": tools, "tool_choice": choice}
    request = decode_create_response(json.dumps(body).encode())
    toolset = Toolset(request.tools, map(tool, found or []), hosted or [], can_constrain=True)
    return toolset.chat_tools(request.tool_choice, None)


def names(tools: ChatTools) -> list[str]:
    offered = tools.fields.get("tools", [])
    assert isinstance(offered, list)
    return [function["function"]["name"] for function in offered]


def first_function(tools: ChatTools) -> Json:
    offered: Any = tools.fields["tools"]
    function: Json = offered[0]["function"]
    return function


def test_a_namespace_is_flattened_and_leads_back() -> None:
    found = chosen([SPACE, F])
    assert names(found) == ["f", "mcp__mini__shout", "mcp__mini__raw"]
    assert found.targets == {
        "f": CallTarget("function", "f"),
        "mcp__mini__shout": CallTarget("function", "shout", "mcp__mini"),
        "mcp__mini__raw": CallTarget("custom", "raw", "mcp__mini"),
    }


tool_names = st.text("ab_", min_size=1, max_size=3) | st.text("a", min_size=60, max_size=128)
singles = st.one_of(
    st.builds(lambda name: {"type": "function", "name": name}, tool_names),
    st.builds(lambda name: {"type": "custom", "name": name}, tool_names),
)
declared = st.lists(
    st.one_of(
        singles,
        st.builds(
            lambda name, tools: {"type": "namespace", "name": name, "tools": tools},
            tool_names,
            st.lists(singles, min_size=1, max_size=3),
        ),
        st.just({"type": "shell"}),
        st.just({"type": "apply_patch"}),
    ),
    max_size=6,
)


def targets_of(tools: list[Json]) -> set[CallTarget]:
    found = set()
    for one in tools:
        if one["type"] == "namespace":
            found |= {CallTarget(t["type"], t["name"], one["name"]) for t in one["tools"]}
        else:
            found.add(CallTarget(one["type"], str(one.get("name", one["type"]))))
    return found


@given(tools=declared)
def test_names_are_a_bijection(tools: list[Json]) -> None:
    toolset = Toolset([tool(one) for one in tools], (), can_constrain=True)
    found = toolset.chat_tools("auto", None)
    assert set(found.targets.values()) == targets_of(tools)
    assert names(found) == list(found.targets)
    for name, target in found.targets.items():
        assert name == chat_name(target) or name.rpartition("_")[0] == chat_name(target)[:55]
        if target.namespace is not None:
            assert len(name) <= 64
    functions = {
        target for target in targets_of(tools) if target == CallTarget("function", target.name)
    }
    assert all(found.targets.get(target.name) in (target, CallTarget("custom", target.name))
               for target in functions)  # fmt: skip


KINDS: dict[str, tuple[Json, list[str]]] = {
    "function": (F, ["f"]),
    "custom": ({"type": "custom", "name": "c"}, ["c"]),
    "namespace": (SPACE, ["mcp__mini__shout", "mcp__mini__raw"]),
    "tool_search": (SEARCH, ["tool_search"]),
    "local_shell": ({"type": "local_shell"}, ["local_shell"]),
    "shell": ({"type": "shell"}, ["shell"]),
    "apply_patch": ({"type": "apply_patch"}, ["apply_patch"]),
    "computer": ({"type": "computer"}, ["computer"]),
    "computer_use_preview": (
        {
            "type": "computer_use_preview",
            "display_width": 800,
            "display_height": 600,
            "environment": "browser",
        },
        ["computer"],
    ),
    "file_search": ({"type": "file_search", "vector_store_ids": ["v"]}, []),
    "mcp": ({"type": "mcp", "server_label": "s", "server_url": "https://x"}, []),
    "code_interpreter": ({"type": "code_interpreter", "container": {"type": "auto"}}, []),
    "image_generation": ({"type": "image_generation"}, []),
    "programmatic_tool_calling": ({"type": "programmatic_tool_calling"}, []),
    "web_search": ({"type": "web_search", "external_web_access": False}, []),
    "web_search_2025_08_26": ({"type": "web_search_2025_08_26"}, []),
    "web_search_preview": ({"type": "web_search_preview"}, []),
    "web_search_preview_2025_03_11": ({"type": "web_search_preview_2025_03_11"}, []),
}


def test_every_type_of_tool_has_a_case() -> None:
    assert set(KINDS) == set(TOOLS)


@pytest.mark.parametrize(("fields", "shown"), KINDS.values(), ids=KINDS.keys())
def test_a_tool_is_shown_as_functions_or_left_out(fields: Json, shown: list[str]) -> None:
    assert names(chosen([fields])) == shown


def test_a_container_s_shell_is_not_the_client_s() -> None:
    container = {"type": "shell", "environment": {"type": "container_auto"}}
    assert names(chosen([container, {"type": "tool_search", "execution": "server"}])) == []


def test_a_custom_tool_takes_one_string_and_says_its_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
    found = chosen([{"type": "custom", "name": "c", "description": "d", "format": grammar}])
    function = first_function(found)
    assert function["description"].startswith("d\n")
    assert "start: /x/" in function["description"]
    assert function["parameters"]["required"] == ["input"]
    assert function["strict"] is True


def test_a_regular_expression_is_held_to_where_the_server_can() -> None:
    grammar = {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"}
    tools = [tool({"type": "custom", "name": "c", "format": grammar})]
    for can_constrain, pattern in ((True, "[a-z]+"), (False, None)):
        found = Toolset(tools, (), can_constrain=can_constrain).chat_tools("auto", None)
        text = first_function(found)["parameters"]["properties"]["input"]
        assert text.get("pattern") == pattern


def test_deferred_tools_are_hidden_until_a_search_has_found_them() -> None:
    assert names(chosen([F, LATER, SEARCH])) == ["f", "tool_search"]
    assert names(chosen([F, SEARCH], found=[LATER])) == ["f", "tool_search", "later"]
    group = {"type": "namespace", "name": "n", "tools": [LATER]}
    assert names(chosen([SEARCH], found=[group])) == ["tool_search", "n__later"]


def test_deferred_tools_are_shown_when_nobody_searches() -> None:
    assert names(chosen([LATER])) == ["later"]
    assert names(chosen([LATER, {"type": "tool_search", "execution": "server"}])) == ["later"]


CHOICES: list[tuple[list[Json], object, object, list[str]]] = [
    ([F, SPACE], "required", "required", ["f", "mcp__mini__shout", "mcp__mini__raw"]),
    ([F], {"type": "function", "name": "f"}, "f", ["f"]),
    ([F, SPACE], {"type": "custom", "name": "raw"}, "mcp__mini__raw",
     ["f", "mcp__mini__shout", "mcp__mini__raw"]),
    ([{"type": "apply_patch"}, F], {"type": "apply_patch"}, "apply_patch", ["f", "apply_patch"]),
    ([{"type": "shell"}], {"type": "shell"}, "shell", ["shell"]),
    ([F, {"type": "web_search"}], {"type": "web_search"}, "auto", ["f"]),
    ([F, {"type": "mcp", "server_label": "s"}], {"type": "mcp", "server_label": "s"}, "auto",
     ["f"]),
    ([F, SPACE], {"type": "allowed_tools", "mode": "required",
                  "tools": [{"type": "function", "name": "shout"}]},
     "required", ["mcp__mini__shout"]),
    ([F, SPACE], {"type": "allowed_tools", "mode": "auto",
                  "tools": [{"type": "namespace", "name": "mcp__mini"}]},
     "auto", ["mcp__mini__shout", "mcp__mini__raw"]),
    ([F, {"type": "shell"}], {"type": "allowed_tools", "mode": "auto",
                              "tools": [{"type": "shell"}]}, "auto", ["shell"]),
]  # fmt: skip


@pytest.mark.parametrize(("tools", "choice", "sent", "offered"), CHOICES)
def test_a_choice_goes_up(
    tools: list[Json], choice: object, sent: object, offered: list[str]
) -> None:
    found = chosen(tools, choice)
    wanted = sent
    if sent not in ("auto", "required"):
        wanted = {"type": "function", "function": {"name": sent}}
    assert sorted(names(found)) == sorted(offered)
    assert found.fields["tool_choice"] == wanted


@pytest.mark.parametrize(
    ("tools", "choice", "words"),
    [
        ([], "required", "must be specified with 'tools'"),
        ([], {"type": "function", "name": "f"}, "must be specified with 'tools'"),
        ([F], {"type": "function", "name": "g"}, "Tool choice 'g' not found in 'tools'"),
        ([F], {"type": "custom", "name": "f"}, "Tool choice 'f' not found in 'tools'"),
        (
            [F],
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "g"}],
            },
            "must name a tool",
        ),
    ],
)
def test_a_choice_of_what_is_not_there_is_a_400(
    tools: list[Json], choice: object, words: str
) -> None:
    with pytest.raises(ApiError, match=words) as caught:
        chosen(tools, choice)
    assert str(caught.value.param).startswith("tool_choice")


MCP: Json = {"type": "mcp"}


@pytest.mark.parametrize(
    ("choice", "sent", "offered"),
    [
        (MCP, "required", ["mcp__one__add", "mcp__one__sub", "mcp__two__add"]),
        (MCP | {"name": "add"}, "required", ["mcp__one__add", "mcp__two__add"]),
        (MCP | {"server_label": "one"}, "required", ["mcp__one__add", "mcp__one__sub"]),
        (MCP | {"server_label": "two", "name": "add"}, "required", ["mcp__two__add"]),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [MCP | {"server_label": "two"}]},
            "auto",
            ["mcp__two__add"],
        ),
    ],
)
def test_a_choice_of_servers_offers_their_tools_alone(
    choice: object, sent: str, offered: list[str]
) -> None:
    found = chosen([F, MCP | {"server_label": "one"}], choice, hosted=SERVED)
    assert (found.fields["tool_choice"], names(found)) == (sent, offered)


@pytest.mark.parametrize(
    "choice",
    [
        MCP | {"server_label": "three"},
        MCP | {"server_label": "two", "name": "sub"},
        MCP | {"name": "mul"},
    ],
)
def test_a_choice_of_a_servers_tool_that_is_not_there_is_a_400(choice: Json) -> None:
    with pytest.raises(ApiError, match="Tool choice 'mcp' names no tool of") as caught:
        chosen([F], choice, hosted=SERVED)
    assert caught.value.param == "tool_choice"
    assert "None" not in caught.value.message


def test_nothing_allowed_means_nothing_offered() -> None:
    found = chosen([F], {"type": "allowed_tools", "mode": "auto", "tools": []})
    assert found.fields == {}


def test_the_newest_definition_that_was_found_counts_and_the_request_s_own_before_it() -> None:
    old, new = ({**F, "description": text} for text in ("old", "new"))
    assert first_function(chosen([], found=[old, new]))["description"] == "new"
    assert "description" not in first_function(chosen([F], found=[old, new]))
