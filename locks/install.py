"""Install the package and its extras into the environment that runs this file, under a lock.

``python locks/install.py full lab,test`` installs what ``pip install -c locks/full.txt
-e .[lab,test]`` would. uv does most of the work where it can be had, because it is several times
faster; pip stands in where it cannot. torch always comes by pip: pip may be configured to find a
build without CUDA (``find-links``), which is a tenth of the size and which uv could pass by.
"""

import ast
import os
import re
import subprocess
import sys
import time

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
UV = [sys.executable, "-m", "uv", "pip"]
# What pip was told about the network, in uv's words.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
LARGE = re.compile(r"^ [-+~] (?:torch|triton|nvidia-|cuda-).*", re.MULTILINE)
SECONDS_BETWEEN_LINES = 5


def main(lock: str, extras: str) -> int:
    """Install under ``locks/<lock>.txt``; returns the exit code of pip if pip had to do it."""
    start = time.monotonic()
    constraint = ["--constraint", f"locks/{lock}.txt"]
    package = [*constraint, "--editable", f".[{extras}]"]
    reason = by_uv(constraint, package)
    code = 0
    if reason:
        print(f"uv is not to be had ({reason[:200]}): pip does it, which takes minutes", flush=True)
        code, lines = watched("pip", [*PIP, "install", *package])
        if code:
            print("\n".join(lines[-20:]), file=sys.stderr)
    if not code:
        print(f"environment ready after {time.monotonic() - start:.0f} s")
    return code


def by_uv(constraint: list[str], package: list[str]) -> str:
    """Install torch by pip and everything else by uv; returns why not, or nothing once done."""
    torch = [*PIP, "install", *constraint, "--only-binary", "uv", "uv", "torch"]
    code, lines = watched("pip", torch)
    if code:
        return next((line for line in reversed(lines) if line.startswith("ERROR")), f"exit {code}")
    environment = os.environ | uv_settings()
    plan = subprocess.run(
        [*UV, "install", "--dry-run", *package], env=environment, capture_output=True, text=True
    )
    touched = LARGE.search(plan.stderr)
    if plan.returncode:
        return " ".join(plan.stderr.split())
    if touched:
        return f"it would change {touched.group().strip()}"
    code, lines = watched("uv", [*UV, "install", *package], environment)
    return " ".join(lines[-3:]) if code else ""


def uv_settings() -> dict[str, str]:
    """Return pip's configuration as environment variables of uv; those already set stay."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True).stdout
    settings = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # all indexes alike, as pip has it
    # Later lines win: pip's environment variables (":env:") over its files.
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        name = UV_NAMES.get(key.rpartition(".")[2])
        if name:
            separator = "," if name == "UV_FIND_LINKS" else " "
            settings[name] = separator.join(ast.literal_eval(value).split())
    return {name: value for name, value in settings.items() if name not in os.environ}


def watched(
    tool: str, command: list[str], environment: dict[str, str] | None = None
) -> tuple[int, list[str]]:
    """Run a command and show on one line where it is; returns its exit code and its output."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    terminal = sys.stdout.isatty()
    lines, shown = [], -SECONDS_BETWEEN_LINES
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith(("Looking in", "WARNING")):
            continue
        if terminal:
            print(f"\r\x1b[K{tool}: {lines[-1][:70]}", end="", flush=True)
        elif time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
            print(f"{tool}: {lines[-1][:100]}", flush=True)
            shown = time.monotonic()
    if terminal:
        print("\r\x1b[K", end="")
    return process.wait(), lines


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
