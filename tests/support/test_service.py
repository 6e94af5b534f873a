"""The service as a process: it starts, it is measured, it goes away completely."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .service import Service, ServiceFailed

DEMO = "responses_gw.demo:app"


def start(log: Path, app: str = DEMO) -> Service:
    return Service({"RESPONSES_DEMO_TOKENS_PER_SECOND": "0"}, log, app=app, ready_path="/health")


def test_stop_leaves_no_process_and_frees_the_port(tmp_path: Path) -> None:
    with start(tmp_path / "log") as service:
        with urllib.request.urlopen(service.url + "/v1/models", timeout=5) as response:
            assert response.status == 200
        assert service.pid in service.pids()
        assert 10e6 < service.rss_bytes() < 1e9
    assert not service.running and service.pids() == []
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(service.url + "/health", timeout=5)


def test_kill_ends_the_workers_too(tmp_path: Path) -> None:
    service = start(tmp_path / "log").wait_ready()
    workers = service.pids()
    assert len(workers) > 1, "hypercorn runs its worker as a child"
    service.kill()
    left = [pid for pid in workers if os.path.exists(f"/proc/{pid}/exe")]  # a zombie has none
    assert (service.pids(), left) == ([], [])


def test_a_start_that_fails_shows_the_log(tmp_path: Path) -> None:
    service = start(tmp_path / "log", app="responses_gw.nowhere:app")
    with pytest.raises(ServiceFailed, match="nowhere"):
        service.wait_ready()
    service.stop()
