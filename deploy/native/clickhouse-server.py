"""ClickHouse's own engine (PyPI chdb-core) behind the part of its HTTP interface that @clickhouse/client uses.

For tests on machines without a ClickHouse server: what runs the SQL is the real engine, what speaks HTTP is this file.
One query at a time. Not for production: no users, no limits, no TLS.
Usage: clickhouse-server.py PORT DATA_FOLDER; the engine's module is found by PYTHONPATH.
"""
import gzip
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

engine = session.Session(sys.argv[2])
one_at_a_time = threading.Lock()
NOT_SETTINGS = {"query", "query_id", "database", "session_id", "user", "password", "default_format", "role"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if urlsplit(self.path).path == "/ping":
            return self.answer(200, b"Ok.\n")
        self.run()

    def do_POST(self):
        self.run()

    def run(self):
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.body()
        query = asked.get("query", "")
        text = f"{query}\n{body}" if query else body
        parameters = {name[6:]: value for name, value in asked.items() if name.startswith("param_")}
        settings = {k: v for k, v in asked.items() if k not in NOT_SETTINGS and not k.startswith("param_")}
        try:
            with one_at_a_time:
                result = execute(text, parameters, settings, asked)
        except Exception as error:  # the engine's own words and code
            words = str(error)
            code = re.search(r"Code: (\d+)", words)
            return self.answer(
                404 if code and code[1] in ("60", "81") else 500,
                (words if code else f"Code: 1001. DB::Exception: {words} (STD_EXCEPTION)").encode(),
                {"X-ClickHouse-Exception-Code": code[1] if code else "1001"},
            )
        self.answer(200, result, {"X-ClickHouse-Summary": "{}", "X-ClickHouse-Query-Id": asked.get("query_id", "")})

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            raw = b"".join(parts)
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        return raw.decode()

    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; charset=UTF-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def execute(text, parameters, settings, asked):
    engine.query(f"USE {asked.get('database') or 'default'}")
    changed = []
    try:
        for name, value in settings.items():
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            engine.query(f"SET {name} = '{quoted}'")
            changed.append(name)
        return engine.query(text, asked.get("default_format") or "TabSeparated", params=parameters).bytes()
    finally:
        for name in changed:
            engine.query(f"SET {name} = DEFAULT")


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
