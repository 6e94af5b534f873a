"""The prompt templates of the operator: a directory of TOML files, read once at the start."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from ..api.errors import ApiError, prompt_not_found
from ..api.request import RequestBody
from ..prompt.template import PromptTemplate
from ..settings import SettingsError

__all__ = ["PromptLibrary"]


class PromptLibrary:
    """Templates by id and version; ``files`` are they, by file name.

    The version for requests that name none is the one that says ``is_default``, or the only one.
    Raises :class:`SettingsError` if that is not clear.
    """

    def __init__(self, files: Mapping[str, PromptTemplate]) -> None:
        self._versions: dict[str, dict[str, PromptTemplate]] = {}
        for name, template in files.items():
            versions = self._versions.setdefault(template.id, {})
            if template.version in versions:
                raise SettingsError(
                    f"{name}: another file has version {template.version!r} of the prompt "
                    f"{template.id!r}, too"
                )
            versions[template.version] = template
        self._default = {id: _default_of(id, files) for id in self._versions}

    @classmethod
    def read(cls, directory: str | None) -> Self:
        """All ``*.toml`` of the directory; None is none.

        Raises :class:`SettingsError`, which names the file.
        """
        if directory is None:
            return cls({})
        folder = Path(directory)
        if not folder.is_dir():
            raise SettingsError(f"responses.prompts_dir: {directory} is not a directory")
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))
            return cls({name: _read(folder / name) for name in names})
        except OSError as error:
            raise SettingsError(f"responses.prompts_dir: {directory}: {error.strerror}") from error
        except SettingsError as error:
            raise SettingsError(f"responses.prompts_dir: {directory}/{error}") from error

    def fill(self, body: RequestBody) -> RequestBody:
        """Raises :class:`ApiError`: 404 for an unknown id, 400 for an unknown version or variables
        that do not fit.
        """
        reference = body.prompt
        assert reference is not None, "the request names a prompt"
        versions = self._versions.get(reference.id)
        if versions is None:
            raise prompt_not_found(reference.id)
        version = reference.version or self._default[reference.id]
        if version not in versions:
            raise ApiError(
                f"Version '{version}' of the prompt with id '{reference.id}' not found.",
                code="invalid_value",
                param="prompt.version",
            )
        return versions[version].fill(body, reference)


def _default_of(id: str, files: Mapping[str, PromptTemplate]) -> str:
    versions = {name: template for name, template in files.items() if template.id == id}
    marked = {name: template for name, template in versions.items() if template.is_default}
    candidates = marked or versions
    if len(candidates) > 1:
        raise SettingsError(
            f"{', '.join(candidates)}: exactly one version of the prompt {id!r} must have "
            "is_default = true"
        )
    return next(iter(candidates.values())).version


def _read(file: Path) -> PromptTemplate:
    if not file.is_file():
        raise SettingsError(f"{file.name}: cannot be read: it is no file")
    try:
        with file.open("rb") as opened:
            template = msgspec.convert(tomllib.load(opened), PromptTemplate)
    except OSError as error:
        raise SettingsError(f"{file.name}: cannot be read: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{file.name}: {error}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{file.name}: is not a TOML file: {error}") from error
    for fault in template.faults():
        raise SettingsError(f"{file.name}: {fault}")
    return template
