"""Files pass through in pieces: memory doesn't grow with their size or number.

Each test does its work in a process of its own, which reports by how much its peak memory grew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_green_notify.emulator import GreenApiEmulator

MIB = 1024**2
CHAT = "12025550101@c.us"

MEASURED = """
import re, sys
from airflow_green_notify.hooks import GreenApiHook

def peak():
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024

def reset_peak():
    with open("/proc/self/clear_refs", "w") as stream:
        stream.write("5")

{prepare}
reset_peak()
before = peak()
{work}
print("\\nGREW", peak() - before)
"""


def growth(gateway: GreenApiEmulator, prepare: str, work: str, *arguments: str) -> int:
    """Run in a process of its own; return by how many bytes its peak memory grew during ``work``."""
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED.format(prepare=prepare, work=work), *arguments],
        env=os.environ | {"AIRFLOW_CONN_GREEN_API_DEFAULT": gateway.connection},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout.split("GREW")[1])


@pytest.mark.parametrize(
    ("prepare", "work"),
    [
        (
            "hook = GreenApiHook(); hook.send_message('1@c.us', 'warm')",
            "hook.send_file('1@c.us', sys.argv[1])",
        ),
        (
            "import asyncio, aiohttp; hook = GreenApiHook(); hook.config",
            "async def send():\n"
            "    async with hook:\n"
            "        await hook.asend_file('1@c.us', sys.argv[1])\n"
            "asyncio.run(send())",
        ),
    ],
    ids=["sync", "async"],
)
@pytest.mark.slow
def test_upload_of_90_mib_takes_under_50_mib_of_memory(
    green_api_emulator: GreenApiEmulator, tmp_path: Path, prepare: str, work: str
) -> None:
    """A file is read as it is sent, and arrives whole."""
    file = tmp_path / "large.bin"
    with file.open("wb") as stream:
        for number in range(90):
            stream.write(bytes([number]) * MIB)
    assert growth(green_api_emulator, prepare, work, str(file)) < 50 * MIB
    assert green_api_emulator.sent()[-1]["size"] == 90 * MIB


@pytest.mark.slow
def test_download_of_1000_files_stays_flat_and_within_the_rate(
    green_api_emulator: GreenApiEmulator, tmp_path: Path
) -> None:
    """The last 900 files take no more memory than the first 100; not one request is too many."""
    bodies = [
        green_api_emulator.media_message(
            f"{number}.jpg", 100_000, expires_after=60 if number % 50 == 0 else None
        )
        for number in range(1000)
    ]
    green_api_emulator.advance(120)
    (tmp_path / "bodies.json").write_text(json.dumps(bodies))
    prepare = (
        "import json\n"
        "from airflow_green_notify.hooks.bounds import FileBounds\n"
        "from airflow_green_notify.media import MediaReport, download_media\n"
        "from airflow_green_notify.notification import Notification\n"
        "from airflow_green_notify.files.place import files_at\n"
        "items = [Notification(1, body) for body in json.load(open(sys.argv[1]))]\n"
        "hook, files, report = GreenApiHook(), files_at(sys.argv[2], None), MediaReport()\n"
        "bounds = FileBounds(allow_private_addresses=True)\n"
        "download_media(hook, items[:100], files, report, bounds)"
    )
    work = (
        "download_media(hook, items[100:], files, report, bounds)\nassert report.downloaded == 1000, report"
    )
    folder = tmp_path / "media"
    grew = growth(green_api_emulator, prepare, work, str(tmp_path / "bodies.json"), str(folder))
    assert grew < 10 * MIB
    assert {item["status"] for item in green_api_emulator.requests()} == {200, 403}
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) == 1000 * 100_000
