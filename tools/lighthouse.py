"""Audit built pages by Lighthouse, served compressed as a static host does.

    python tools/lighthouse.py _build/html [index chapters/07-bounds-vs-experiment ...]

It needs Node and Chromium; `npx` gets Lighthouse. Fails where a page misses its target.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chromium import NAMES

PAGES = ["index", "chapters/07-bounds-vs-experiment"]
TARGETS = {"desktop": 95, "mobile": 75}
FULL = ("accessibility", "best-practices", "seo")
SHIFT = 0.05


class Compressed(SimpleHTTPRequestHandler):
    """Files of a folder, compressed where the browser takes that."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file() or path.suffix not in {".html", ".js", ".css", ".json", ".svg"}:
            super().do_GET()
            return
        body = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def log_message(self, *_):
        pass


def audit(address, form):
    chrome = next(filter(None, map(shutil.which, NAMES)), None)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [
            *os.environ.get("LIGHTHOUSE", "npx --yes lighthouse@12").split(), address, "--quiet",
            "--chrome-flags=--headless=new --no-sandbox --disable-gpu", "--output=json",
            f"--output-path={file.name}",
        ]  # fmt: skip
        if form == "desktop":
            command.append("--preset=desktop")
        subprocess.run(
            command, check=True, env=os.environ | ({"CHROME_PATH": chrome} if chrome else {})
        )
        return json.loads(Path(file.name).read_text(encoding="utf-8"))


def main(folder, *pages):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressed, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    missed = 0
    print("| Page | Screen | Performance | Shift | Accessibility | Best practices | Search |")
    print("|---|---|---|---|---|---|---|")
    for page in pages or PAGES:
        for form, target in TARGETS.items():
            found = audit(f"http://127.0.0.1:{server.server_port}/{page}.html", form)
            score = {name: round(100 * one["score"]) for name, one in found["categories"].items()}
            shift = found["audits"]["cumulative-layout-shift"]["numericValue"]
            cells = [score["performance"], f"{shift:.3f}", *(score[name] for name in FULL)]
            print("|", " | ".join(map(str, [page, form, *cells])), "|", flush=True)
            missed += score["performance"] < target or shift > SHIFT
            missed += any(score[name] < 100 for name in FULL)
            for name in (*FULL, "performance"):
                for one in found["categories"][name]["auditRefs"]:
                    result = found["audits"][one["id"]]
                    if (
                        one["weight"]
                        and result["score"] is not None
                        and result["score"] < 1
                        and "-v" in sys.argv
                    ):
                        print("   ", name, one["id"], result["score"], result.get("displayValue"))
    return missed


if __name__ == "__main__":
    sys.exit(main(*(one for one in sys.argv[1:] if one != "-v")))
