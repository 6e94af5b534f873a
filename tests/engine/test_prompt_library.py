"""The operator's prompt templates: read from files, found by id and version."""

from __future__ import annotations

from pathlib import Path

import pytest

from responses_gw.api.errors import ApiError
from responses_gw.api.options import PromptReference
from responses_gw.api.request import RequestBody
from responses_gw.engine.prompt_library import PromptLibrary
from responses_gw.settings import SettingsError

SHIPPED = Path(__file__).parent.parent.parent / "conf" / "prompts"
ONE = 'id = "p"\nversion = "1"\ninstructions = "one"\n'
TWO = 'id = "p"\nversion = "2"\ninstructions = "two"\n'


def library(folder: Path, *texts: str) -> PromptLibrary:
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(text)
    return PromptLibrary.read(str(folder))


def instructions(found: PromptLibrary, id: str, version: str | None = None) -> str | None:
    return found.fill(RequestBody(prompt=PromptReference(id, version))).instructions


def refusal(folder: Path, *texts: str) -> str:
    with pytest.raises(SettingsError) as caught:
        library(folder, *texts)
    return str(caught.value)


def test_versions_are_found_by_their_names(tmp_path: Path) -> None:
    found = library(tmp_path, ONE, TWO + "is_default = true\n")
    assert instructions(found, "p", "1") == "one"
    assert instructions(found, "p", "2") == "two"
    assert instructions(found, "p") == "two"


def test_the_only_version_is_the_default(tmp_path: Path) -> None:
    assert instructions(library(tmp_path, ONE), "p") == "one"


@pytest.mark.parametrize(
    ("id", "version", "status", "param"),
    [
        ("q", None, 404, "prompt.id"),
        ("", None, 404, "prompt.id"),
        ("p", "9", 400, "prompt.version"),
    ],
)
def test_what_is_not_there_is_told(
    tmp_path: Path, id: str, version: str | None, status: int, param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        instructions(library(tmp_path, ONE), id, version)
    assert (caught.value.status, caught.value.param) == (status, param)


def test_no_directory_is_no_templates() -> None:
    with pytest.raises(ApiError) as caught:
        instructions(PromptLibrary.read(None), "p")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("id = ", "is not a TOML file: "),
        ('id = "p"\ninstructions = "x"', "Object missing required field `version`"),
        (ONE + "colour = 1", "Object contains unknown field `colour`"),
        (ONE + "model = 1", "Expected `str | null`, got `int` - at `$.model`"),
        (ONE + '[[input]]\nrole = "tool"\ncontent = "x"', "Invalid enum value 'tool'"),
        ('id = "p"\nversion = "1"', "it has neither instructions nor input"),
        ('id = "p"\nversion = "1"\ninstructions = "{{x}}"', "the place {{x}} is no variable"),
        (ONE + "[variables.x]", "the variable x has no place {{x}}"),
        (ONE, "another file has version '1' of the prompt 'p', too"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, fault: str) -> None:
    message = refusal(tmp_path, ONE, text)
    assert message.startswith(f"responses.prompts_dir: {tmp_path}/1.toml: {fault}"), message


def test_a_default_must_be_clear(tmp_path: Path) -> None:
    wanted = "0.toml, 1.toml: exactly one version of the prompt 'p' must have is_default = true"
    assert wanted in refusal(tmp_path, ONE, TWO)
    both = [f"{text}is_default = true\n" for text in (ONE, TWO)]
    assert wanted in refusal(tmp_path, *both)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"responses\.prompts_dir: .* is not a directory"):
        PromptLibrary.read(str(tmp_path / "nowhere"))
    (tmp_path / "x.toml").mkdir()
    assert "x.toml: cannot be read" in refusal(tmp_path)


def test_the_shipped_example_is_right() -> None:
    found = PromptLibrary.read(str(SHIPPED))
    body = RequestBody(prompt=PromptReference("translate", None, {}))
    with pytest.raises(ApiError) as caught:
        found.fill(body)
    assert caught.value.param == "prompt.variables.text"
