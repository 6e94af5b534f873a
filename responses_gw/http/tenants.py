"""Whose request it is. Every stored thing belongs to a tenant; without keys there is one."""

from __future__ import annotations

from starlette.types import Scope

__all__ = ["DEFAULT_TENANT", "tenant_of"]

DEFAULT_TENANT = "default"


def tenant_of(scope: Scope) -> str:
    return DEFAULT_TENANT
