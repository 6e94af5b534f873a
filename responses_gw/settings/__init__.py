"""The settings: defaults, then a TOML file, then the environment; frozen and checked.

Every key stands once, in ``sections.py``, with its default and its bounds (``values.py``);
``conf/responses-gw.toml`` explains them to the operator, ``loading.py`` reads them.

``RESPONSES_GW_CONFIG`` names the file. A key ``[section] key`` is ``RESPONSES_GW_SECTION_KEY`` in
the environment, where an empty value counts as not set; a list is separated by commas.
``RESPONSES_GW_UPSTREAM`` is short for ``RESPONSES_GW_UPSTREAM_URL``.
``RESPONSES_GW_TEST_*`` belongs to the tests and is not looked at.
Lists of tables (``[[models]]``, ``[[mcp.servers]]``) are for the file alone.
"""

from .hints import tables_of
from .loading import CONFIG, LISTS, SECTIONS, SettingsError, load
from .sections import (
    DatabaseSettings,
    EgressSettings,
    FileSettings,
    LogSettings,
    McpServerSettings,
    McpSettings,
    ModelSettings,
    ResponsesSettings,
    ServerSettings,
    Settings,
    ToolSettings,
    UpstreamSettings,
)
from .values import sealing_key

__all__ = [
    "CONFIG",
    "LISTS",
    "SECTIONS",
    "DatabaseSettings",
    "EgressSettings",
    "FileSettings",
    "LogSettings",
    "McpServerSettings",
    "McpSettings",
    "ModelSettings",
    "ResponsesSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "ToolSettings",
    "UpstreamSettings",
    "load",
    "sealing_key",
    "tables_of",
]
