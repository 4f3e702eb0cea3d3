"""The vendor's two clients for JavaScript, installed from npm and run by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from airflow_green_notify.emulator import GatewayInstance
from tests import servers
from tests.vendor.world import World

HERE = Path(__file__).parent
OLDER = "@green-api/whatsapp-api-client"
NEWER = "@green-api/whatsapp-api-client-js-v2"
QUIETLY = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
COMPILER = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "commonjs")
DECLARATIONS = f"""
import {{ restAPI }} from "{OLDER}";
import {{ GreenApiClient, GreenApiPartnerClient }} from "{NEWER}";
type Older = ReturnType<typeof restAPI>;
type Newer = GreenApiClient;
type Partner = GreenApiPartnerClient;
type Plain<T> = {{ -readonly [K in keyof T]: Plain<T[K]> }};
type Some<T> = [T] extends [void] ? unknown : T;
type Answer<F> = F extends (...all: any) => Promise<infer T> ? Some<T> : never;
"""


class JavaScript:
    """A folder with both clients, and the script that uses them.

    ``package.json`` has the pins. It puts a package that is needed anyway in the place of two that the older
    client names and never uses: the placeholder ``fs`` for a module that node brings, and a build tool.

    :param folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._node = shutil.which("node") or servers.missing("apt-get install nodejs")
        npm = shutil.which("npm") or servers.missing("apt-get install npm")
        shutil.copy(HERE / "package.json", folder)
        shutil.copy(HERE / "javascript.cjs", folder)
        self._run([npm, "install", *QUIETLY])

    def do(self, *jobs: dict[str, Any]) -> list[Any]:
        """Let the script do jobs, one after the other, and return their outcomes."""
        return list(json.loads(self._run([self._node, "javascript.cjs"], json.dumps(jobs))))

    def types_refuse(self, *answers: tuple[str, str, Any]) -> list[str]:
        """What the compiler has against answers, given the declarations of the clients.

        :param answers: Each with whose method it is (``Older``, ``Newer`` or ``Partner``), the method, and
            what it gave.
        """
        lines = [DECLARATIONS]
        for number, (kind, method, answer) in enumerate(answers):
            path = "".join(f'["{name}"]' for name in method.split("."))
            lines.append(f"const came{number} = [{json.dumps(answer)}] as const;")
            lines.append(f"declare const plain{number}: Plain<typeof came{number}>;")
            lines.append(f"export const answer{number}: Answer<{kind}{path}> = plain{number}[0];")
        (self._folder / "check.ts").write_text("\n".join(lines), encoding="utf-8")
        command = [self._node, "node_modules/typescript/bin/tsc", *COMPILER, "check.ts"]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, timeout=120)
        return [line for line in done.stdout.splitlines() if not line.startswith(" ")]

    def _run(self, command: list[str], stdin: str = "") -> str:
        done = subprocess.run(
            command, cwd=self._folder, input=stdin, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def login(library: str, world: World, instance: GatewayInstance | None = None) -> dict[str, Any]:
    """What the script needs to open a client."""
    instance = instance or world.instance
    return {
        "library": library,
        "url": world.gateway.url,
        "id": instance.id_instance,
        "token": instance.api_token,
    }
