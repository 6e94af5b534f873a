"""Calls of the built-in tools that a client executes, and their outputs (SURFACE §7.12, §7.13)."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from .conversation import ItemStatus

__all__ = [
    "ApplyPatchCall",
    "ApplyPatchCallOutput",
    "ComputerCall",
    "ComputerCallOutput",
    "CreateFile",
    "DeleteFile",
    "LocalShellAction",
    "LocalShellCall",
    "LocalShellCallOutput",
    "PatchOperation",
    "Screenshot",
    "ShellAction",
    "ShellCall",
    "ShellCallOutput",
    "ShellExit",
    "ShellOutput",
    "ShellTimeout",
    "UpdateFile",
]


class LocalShellAction(Struct, frozen=True, tag_field="type", tag="exec"):
    command: tuple[str, ...]
    env: dict[str, str] | None = {}
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class LocalShellCall(Struct, frozen=True, tag_field="type", tag="local_shell_call"):
    action: LocalShellAction
    call_id: str
    id: str | None = None
    status: ItemStatus | None = None


class LocalShellCallOutput(Struct, frozen=True, tag_field="type", tag="local_shell_call_output"):
    """Its ``id`` is the call's id, or as some clients have it, ``call_id`` is."""

    output: str
    id: str | None = None
    call_id: str | None = None
    status: ItemStatus | None = None


class ShellAction(Struct, frozen=True):
    commands: tuple[str, ...]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class ShellCall(Struct, frozen=True, tag_field="type", tag="shell_call"):
    action: ShellAction
    call_id: str
    id: str | None = None
    status: ItemStatus | None = None


class ShellExit(Struct, frozen=True, tag_field="type", tag="exit"):
    exit_code: int


class ShellTimeout(Struct, frozen=True, tag_field="type", tag="timeout"):
    pass


class ShellOutput(Struct, frozen=True):
    stdout: str
    stderr: str
    outcome: ShellExit | ShellTimeout


class ShellCallOutput(Struct, frozen=True, tag_field="type", tag="shell_call_output"):
    call_id: str
    output: list[ShellOutput]
    max_output_length: int | None = None
    id: str | None = None
    status: ItemStatus | None = None


class CreateFile(Struct, frozen=True, tag_field="type", tag="create_file"):
    path: str
    diff: str


class UpdateFile(Struct, frozen=True, tag_field="type", tag="update_file"):
    path: str
    diff: str


class DeleteFile(Struct, frozen=True, tag_field="type", tag="delete_file"):
    path: str


PatchOperation = CreateFile | UpdateFile | DeleteFile


class ApplyPatchCall(Struct, frozen=True, tag_field="type", tag="apply_patch_call"):
    operation: PatchOperation
    call_id: str
    id: str | None = None
    status: ItemStatus | None = None


class ApplyPatchCallOutput(Struct, frozen=True, tag_field="type", tag="apply_patch_call_output"):
    call_id: str
    status: Literal["completed", "failed"]
    output: str | None = None
    id: str | None = None


class ComputerCall(Struct, frozen=True, tag_field="type", tag="computer_call"):
    """The GA tool has ``actions``, the preview one ``action``; both are the client's JSON."""

    call_id: str
    action: dict[str, Raw] | None = None
    actions: list[Raw] | None = None
    pending_safety_checks: list[Raw] | None = None
    id: str | None = None
    status: ItemStatus | None = None


class Screenshot(Struct, frozen=True, tag_field="type", tag="computer_screenshot"):
    image_url: str | None = None
    file_id: str | None = None


class ComputerCallOutput(Struct, frozen=True, tag_field="type", tag="computer_call_output"):
    call_id: str
    output: Screenshot
    acknowledged_safety_checks: list[Raw] | None = None
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete", "failed"] | None = None
