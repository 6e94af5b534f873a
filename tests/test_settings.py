"""Settings: where they come from, what is refused and named, what is never shown."""

from __future__ import annotations

import base64
import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from responses_gw.api.options import ReasoningEffort
from responses_gw.prompt.profile import ModelProfile
from responses_gw.settings import (
    LISTS,
    SECTIONS,
    McpServerSettings,
    ModelSettings,
    Settings,
    SettingsError,
    load,
    sealing_key,
    tables_of,
)

KEYS = [bytes(range(start, start + 32)) for start in (0, 200)]
SEALING_KEYS = "RESPONSES_GW_RESPONSES_SEALING_KEYS"
DOCUMENTED = Path(__file__).parent.parent / "conf" / "responses-gw.toml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def load_file(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text)
    return load({"RESPONSES_GW_CONFIG": str(file), **environ})


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value)


def file_refusal(file: Path, text: str) -> str:
    file.write_text(text)
    return refusal({"RESPONSES_GW_CONFIG": str(file)})


def keys_in(lines: list[str]) -> list[str]:
    """The lines that set a key, also those that are commented out."""
    return [bare for line in lines if re.match(r"\w+ = ", bare := line.removeprefix("# "))]


def test_nothing_set_gives_the_defaults() -> None:
    assert load({}) == Settings()
    assert load({"PATH": "/bin", "RESPONSES_GW_TEST_VLLM": "http://x"}) == Settings()


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(file: Path) -> None:
    text = '[server]\nport = 81\nhost = "::1"\n[upstream]\nidle_timeout_seconds = 7'
    settings = load_file(file, text, RESPONSES_GW_SERVER_PORT="82")
    assert settings.server.port == 82
    assert settings.server.host == "::1"
    assert settings.upstream.idle_timeout_seconds == 7.0
    assert settings.server.heartbeat_seconds == 15.0


def test_text_in_the_environment_is_parsed_as_the_type_of_its_key() -> None:
    settings = load(
        {
            "RESPONSES_GW_SERVER_HEARTBEAT_SECONDS": "0.5",
            "RESPONSES_GW_DATABASE_POOL_MAX": "3",
            "RESPONSES_GW_UPSTREAM_API_KEY": "null",
            "RESPONSES_GW_RESPONSES_REASONING_EVENTS": "open_responses",
        }
    )
    assert settings.server.heartbeat_seconds == 0.5
    assert settings.database.pool_max == 3
    assert settings.upstream.api_key == "null"
    assert settings.responses.reasoning_events == "open_responses"


def test_a_list_is_separated_by_commas_in_the_environment_and_a_list_in_the_file(
    file: Path,
) -> None:
    first, second = KEYS[0].hex(), base64.b64encode(KEYS[1]).decode()
    one = load({SEALING_KEYS: first}).responses.sealing_keys
    assert one == (first,)
    both = load({SEALING_KEYS: f" {first} ,{second}"}).responses.sealing_keys
    assert both == (first, second)
    text = f"[responses]\nsealing_keys = ['{first}', '{second}']"
    assert load_file(file, text).responses.sealing_keys == both


def test_networks_are_listed_as_operators_write_them(file: Path) -> None:
    networks = ("10.1.0.0/16", "192.168.7.7", "fd00:1::/64")
    text = load({"RESPONSES_GW_EGRESS_ALLOWED_NETWORKS": ", ".join(networks)})
    assert text.egress.allowed_networks == networks
    assert load_file(file, f"[egress]\nallowed_networks = {json.dumps(networks)}") == text


@pytest.mark.parametrize("key", KEYS)
def test_a_sealing_key_is_hex_or_base64(key: bytes) -> None:
    standard, urlsafe = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    for text in (key.hex(), key.hex().upper(), standard, urlsafe, urlsafe.rstrip("=")):
        assert load({SEALING_KEYS: text}).responses.sealing_keys == (text,)
        assert sealing_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        KEYS[0].hex()[:-2],
        KEYS[0].hex() + "00",
        base64.b64encode(KEYS[0][1:]).decode(),
        base64.b64encode(KEYS[0] + b"x").decode(),
        base64.b64encode(KEYS[0]).decode() + "=",
        base64.b64encode(KEYS[0]).decode() + "\nx",
        "ä" * 43,
        "",
    ],
)
def test_a_wrong_sealing_key_is_refused_by_its_setting_and_not_shown(file: Path, text: str) -> None:
    good = KEYS[1].hex()
    wanted = "must be a list of keys, each 32 random bytes in base64 or hex"
    assert refusal({SEALING_KEYS: f"{good}, {text}, {good}"}) == f"{SEALING_KEYS}: {wanted}"
    for keys in ([text], [good, text]):
        message = file_refusal(file, f"[responses]\nsealing_keys = {json.dumps(keys)}")
        assert message == f"responses.sealing_keys in {file}: {wanted}"


def test_sealing_keys_are_a_list_of_at_least_one_text(file: Path) -> None:
    for wrong in ("[]", "[7]", "true", f'"{KEYS[0].hex()}"'):
        message = file_refusal(file, f"[responses]\nsealing_keys = {wrong}")
        assert message.startswith(f"responses.sealing_keys in {file}: must be a list of keys")
    assert refusal({SEALING_KEYS: ","}).startswith(f"{SEALING_KEYS}: must be a list of keys")


def test_an_empty_variable_counts_as_not_set() -> None:
    empty = {
        "RESPONSES_GW_DATABASE_URL": "",
        "RESPONSES_GW_CONFIG": "",
        "RESPONSES_GW_UPSTREAM": "",
    }
    assert load(empty) == Settings()


def test_the_short_name_of_the_upstream() -> None:
    short, full = "RESPONSES_GW_UPSTREAM", "RESPONSES_GW_UPSTREAM_URL"
    assert load({short: "http://gpu:1/v1"}).upstream.url == "http://gpu:1/v1"
    assert load({short: "http://a/v1", full: "http://a/v1"}).upstream.url == "http://a/v1"
    assert f"{short} and {full} are both set" in refusal({short: "http://a", full: "http://b"})


BAD_VALUES = {
    "SERVER_PORT": ["x", "-1", "65536", "1.5"],
    "SERVER_HOST": ["a b", "http://a"],
    "SERVER_MAX_BODY_BYTES": ["0", "-5", "64MB"],
    "SERVER_HEARTBEAT_SECONDS": ["0", "-1", "nan", "inf", "86401", "soon"],
    "UPSTREAM": [
        "ftp://a",
        "http://",
        "localhost:8000",
        "http://a:99999",
        "http://[::1",
        "http://a?b",
    ],
    "UPSTREAM_DIALECT": ["sglang"],
    "DATABASE_URL": ["mysql://a/b", "a"],
    "DATABASE_EMBEDDED_DIR": ["data"],
    "DATABASE_POOL_MAX": ["0", "1001"],
    "DATABASE_HISTORY_CACHE_BYTES": ["-1"],
    "EGRESS_ALLOWED_NETWORKS": ["10.0.0.1/8", "10.0.0.0/33", "inside.test", "10.0.0.0/8, x"],
    "EGRESS_ALLOWED_HOSTS": ["https://a/", "user@a"],
    "EGRESS_PORTS": ["0", "65536", "x"],
    "LOG_LEVEL": ["loud", "INFO "],
    "RESPONSES_OBFUSCATION": ["maybe"],
    "RESPONSES_PROMPTS_DIR": ["prompts"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_VALUES.items() for value in values]
)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_variable(
    name: str, value: str
) -> None:
    message = refusal({f"RESPONSES_GW_{name}": value})
    assert message.startswith(f"RESPONSES_GW_{name}: must be "), message


def test_a_refusal_says_what_is_allowed() -> None:
    levels = "RESPONSES_GW_LOG_LEVEL: must be one of debug, info, warning, error, critical, not 'x'"
    assert refusal({"RESPONSES_GW_LOG_LEVEL": "x"}) == levels
    port = "RESPONSES_GW_SERVER_PORT: must be a port from 0 (any free one) to 65535, not 'x'"
    assert refusal({"RESPONSES_GW_SERVER_PORT": "x"}) == port


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    message = refusal({"RESPONSES_GW_SERVER_PROT": "1"})
    assert "RESPONSES_GW_SERVER_PROT" in message
    assert "did you mean RESPONSES_GW_SERVER_PORT?" in message


def test_a_wrong_file_is_refused_by_its_path_and_key(file: Path) -> None:
    cases = {
        "[server]\nprot = 1": f"prot in {file}: no such key in [server]; did you mean port?",
        "[sever]\nport = 1": f"sever in {file}: no such section; did you mean server?",
        "port = 1": f"port in {file}: no such section; ",
        "server = 1": f"server in {file} must be a section: write [server]",
        '[server]\nport = "80"': f"server.port in {file}: must be a port",
        "[server]\nport = true": f"server.port in {file}: must be a port",
        "[server\n": f"RESPONSES_GW_CONFIG: {file} is not a TOML file: ",
    }
    for text, message in cases.items():
        assert file_refusal(file, text).startswith(message), f"{text!r} was refused differently"
    file.write_bytes(b'[server]\nhost = "\xff"')
    assert "is not a TOML file" in refusal({"RESPONSES_GW_CONFIG": str(file)})
    file.unlink()
    assert "cannot read" in refusal({"RESPONSES_GW_CONFIG": str(file)})


@pytest.mark.parametrize("password", ["pa/ss", "pa?ss", "pa#ss"])
def test_a_password_that_would_be_taken_for_a_path_is_refused(password: str) -> None:
    with pytest.raises(SettingsError, match="percent-encoded") as caught:
        load({"RESPONSES_GW_DATABASE_URL": f"postgresql://user:{password}@db.example/gateway"})
    assert "ss@" not in str(caught.value)


def test_secrets_are_in_no_repr_and_in_no_refusal(file: Path) -> None:
    url = "postgresql://user:hunter2@db.example/gateway"
    key = KEYS[0].hex()
    settings = load(
        {
            "RESPONSES_GW_DATABASE_URL": url,
            "RESPONSES_GW_UPSTREAM_API_KEY": "hunter2",
            SEALING_KEYS: key,
        }
    )
    assert settings.database.url == url
    assert settings.upstream.api_key == "hunter2"
    assert "hunter2" not in f"{settings} {settings!r} {settings.database} {settings.upstream}"
    assert settings.responses.sealing_keys == (key,)
    assert key not in f"{settings} {settings!r} {settings.responses}"
    for name in ("DATABASE_URL", "UPSTREAM", "UPSTREAM_API_KEY"):
        assert "hunter2" not in refusal({f"RESPONSES_GW_{name}": "ftp://hunter2:hunter2@a\n"})
    assert "hunter2" not in file_refusal(file, "[upstream]\napi_key = ['hunter2']")


def test_the_documented_file_has_every_key_with_its_default() -> None:
    text = DOCUMENTED.read_text()
    document = tomllib.loads(text)
    assert list(document) == [*SECTIONS], "its sections are not those of Settings, in order"
    assert load({"RESPONSES_GW_CONFIG": str(DOCUMENTED)}) == Settings()
    for section, struct in SECTIONS.items():
        lines = text.partition(f"\n[{section}]\n")[2].splitlines()
        lines = list(itertools.takewhile(lambda line: not re.match(r"(# \[)?\[", line), lines))
        names = [line.partition(" = ")[0] for line in keys_in(lines)]
        fields = [one for one in msgspec.structs.fields(struct) if tables_of(one.type) is None]
        assert names == [field.name for field in fields], f"the keys of [{section}] differ"
        for field in fields:
            found = document[section].get(field.name)
            found = tuple(found) if isinstance(found, list) else found
            assert found == field.default, f"the default of {section}.{field.name} differs"


def test_the_documented_file_has_every_key_of_a_list_as_an_example(file: Path) -> None:
    """A list is empty by default, so its table is commented out and can be taken as it stands."""
    text = DOCUMENTED.read_text()
    for name, struct in LISTS.items():
        lines = keys_in(text.partition(f"\n# [[{name}]]\n")[2].partition("\n# [[")[0].splitlines())
        fields = [field.name for field in msgspec.structs.fields(struct)]
        assert [line.partition(" = ")[0] for line in lines] == fields, f"the keys of [[{name}]]"
        (table,) = getattr(load_file(file, "\n".join([f"[[{name}]]", *lines])), name)
        assert isinstance(table, struct)


def test_the_documented_file_has_every_key_of_a_server_as_an_example(file: Path) -> None:
    table = DOCUMENTED.read_text().partition("\n# [[mcp.servers]]\n")[2].partition("\n[")[0]
    lines = keys_in(table.splitlines())
    fields = msgspec.structs.fields(McpServerSettings)
    assert [line.partition(" = ")[0] for line in lines] == [field.name for field in fields]
    kinds = {
        "url": {"command", "args", "env"},
        "command": {"url", "headers", "transport", "token_url", "client_id", "client_secret"}
        | {"scope"},
    }
    for kind, others in kinds.items():
        taken = [line for line in lines if line.partition(" = ")[0] not in others]
        (server,) = load_file(file, "\n".join(["[[mcp.servers]]", *taken])).mcp.servers
        assert getattr(server, kind)


def test_the_documented_values_of_a_model_are_those_of_an_unknown_one() -> None:
    example = "\n".join(keys_in(DOCUMENTED.read_text().partition("# [[models]]\n")[2].splitlines()))
    shown = tomllib.loads(example)
    for field in msgspec.structs.fields(ModelProfile):
        if field.name != "effort":
            assert shown[field.name] == field.default, field.name


def test_a_models_table_has_the_keys_of_a_profile() -> None:
    """They cannot share their types: the pure rooms know no settings, nor these a room."""
    ours, theirs = get_type_hints(ModelSettings), get_type_hints(ModelProfile)
    assert list(ours) == ["match", *theirs]
    for name in theirs.keys() - {"effort"}:
        assert ours[name] == theirs[name] | None, name
    efforts = get_args(get_args(ours["effort"])[0])[0]
    assert get_args(efforts) == get_args(ReasoningEffort)


def test_tables_of_a_list_are_read_in_order(file: Path) -> None:
    text = """
        [[models]]
        match = "*Qwen3*"
        effort = { none = { enable_thinking = false }, max = false, low = "low" }
        [[models]]
        match = "*"
        merge_user_messages = true
        """
    first, second = load_file(file, text).models
    assert first == ModelSettings(
        match="*Qwen3*",
        effort={"none": {"enable_thinking": False}, "max": False, "low": "low"},
    )
    assert second.changes == {"merge_user_messages": True}


def test_a_wrong_table_of_a_list_is_refused_by_its_number_and_key(file: Path) -> None:
    good = '[[models]]\nmatch = "a"\n'
    cases = {
        "[models]\nmatch = 'a'": f"models in {file} must be a list of tables: write [[models]]",
        "models = 'a'": f"models in {file} must be a list of tables: write [[models]]",
        "models = ['a']": f"models[0] in {file} must be a section: write [[models]]",
        f"{good}[[models]]\n": f"models[1].match in {file}: is missing: a glob on the model's name",
        f"{good}{good}[[models]]\nmatch = 7": f"models[2].match in {file}: must be a glob on the",
        "[[models]]\nmatch = ''": f"models[0].match in {file}: must be a glob on the",
        f"{good}dialekt = 1": f"models[0].dialekt in {file}: no such key in [[models]]; did you",
        f"{good}late_system = 'x'": f"models[0].late_system in {file}: must be one of fold, sys",
        f"{good}merge_user_messages = 1": "models[0].merge_user_messages in "
        f"{file}: must be true or false, not 1",
        f"{good}effort = 'low'": f"models[0].effort in {file}: must be a table from none, minimal",
        f"{good}effort = {{ extreme = 'x' }}": f"models[0].effort in {file}: must be a table from",
        f"{good}effort = {{ low = true }}": f"models[0].effort in {file}: must be a table from",
        f"{good}effort = {{ low = 3 }}": f"models[0].effort in {file}: must be a table from",
    }
    for text, message in cases.items():
        assert file_refusal(file, text).startswith(message), f"{text!r} was refused differently"


def test_a_server_whose_keys_do_not_go_together_is_refused(file: Path) -> None:
    start = "[[mcp.servers]]\nlabel = 'a'\n"
    url, command = "url = 'http://mcp.example/mcp'\n", "command = 'x'\n"
    cases = {
        start: "must have either url or command",
        start + url + command: "must have either url or command",
        start + url + "transport = 'stdio'": "must have the transport stdio with a command",
        start + command + "transport = 'sse'": "must have the transport stdio with a command",
        start + url + "args = ['x']": "must have args and env only with a command",
        start + command + "headers = { a = 'b' }": "must have headers and OAuth credentials only",
        start + url + "client_id = 'x'": "must have token_url, client_id and client_secret, or",
        start + url + "scope = 'x'": "must have a scope only with a token_url",
    }
    for text, message in cases.items():
        assert file_refusal(file, text).startswith(f"mcp.servers[0] in {file}: {message}"), text
    assert "has the label of another server, 'a'" in file_refusal(file, (start + url) * 2)
    key = f"mcp.servers[0].url in {file}: must be an http:// or https:// URL with a host"
    assert file_refusal(file, start + "url = 'http://user:hunter2@host/'").startswith(key)
    assert file_refusal(file, "[mcp]\nservers = 1").startswith(f"mcp.servers in {file} must be a")
    for bad in ("headers = { 'a b' = 'c' }", "headers = { a = 'hunter2\\nb' }"):
        message = file_refusal(file, start + url + bad.replace("'hunter2\\nb'", '"hunter2\\nb"'))
        assert message == f"mcp.servers[0].headers in {file}: must be a table of HTTP headers"


def test_secrets_of_a_server_are_in_no_repr(file: Path) -> None:
    text = """
        [[mcp.servers]]
        label = "a"
        url = "https://mcp.example/mcp?key=hunter2"
        headers = { Authorization = "Bearer hunter2" }
        token_url = "https://login.example/?hunter2"
        client_id = "me"
        client_secret = "hunter2"
        """
    settings = load_file(file, text)
    (server,) = settings.mcp.servers
    assert server.client_secret == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings.mcp} {server}"


def test_a_list_is_not_for_the_environment() -> None:
    assert "no such setting" in refusal({"RESPONSES_GW_MCP_SERVERS": "[]"})
    assert "no such setting" in refusal({"RESPONSES_GW_MODELS": "[]"})


def test_every_key_of_the_documented_file_has_a_comment_above_it() -> None:
    lines = DOCUMENTED.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if keys_in([line]):
            assert above.startswith("# "), f"nothing explains {line!r}"
