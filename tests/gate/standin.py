"""What answers the gate's control socket in tests of who asks it: protocol and numbers are as gate/README.md has them."""
import http.server
import json
import os
import socketserver
import threading
import time
import urllib.parse


def stamp(seconds=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Control:
    """`with Control(folder) as control:`; the socket is folder/run/control. events() adds some to the ring."""

    ROUND = 1000

    def __init__(self, data, ring=16384):
        self.data, self.ring = data, ring
        self.zone, self.all, self.lock = os.urandom(8).hex(), [], threading.Lock()
        self.lists, self.normal, self.known = [], "normal of a test\n", {}
        self.strict_since, self.raw = None, None
        self.path = os.path.join(data, "run", "control")
        for name in ("", "run", "nginx", "state"):
            os.makedirs(os.path.join(data, name), exist_ok=True)

    def events(self, n=1, **more):
        with self.lock:
            for _ in range(n):
                seq = len(self.all) + 1
                self.all.append({"seq": seq, "time": stamp(), "kind": "begin", "verdict": "deny", "reason": "share",
                                 "from": f"203.0.113.{seq % 250}", "bits": 128, "id": None, "count": 0, "pressure": 1.4, "share": 0.8,
                                 **more})

    def anew(self):
        """The gate was started anew: another memory, numbers from one on."""
        with self.lock:
            self.zone, self.all = os.urandom(8).hex(), []

    def status(self):
        return {"mode": "on", "workers": 2, "zone": self.zone, "zone_bytes": 16 << 20, "pid": 1, "pressure": 1.25, "share": 2.5,
                "stranger": 0, "latency_ms": 840, "normal_ms": 45, "errors": 0.031, "busy": 31, "lag_ms": 2, "gate_busy": 0.31, "rate": 2083,
                "normal_rate": 12, "strict_since": self.strict_since, "asked": 120371,
                "verdicts": {"pass": 120331, "slow": 0, "deny": 40, "drop": 0}, "reasons": {"free": 120331, "stranger": 30, "share": 10},
                "passes_given": 300, "passes_valid": 2000, "passes_bad": 3, "records_shed": 0, "events_shed": 0}

    def answer(self, to):
        url = urllib.parse.urlparse(to.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        body = to.rfile.read(int(to.headers.get("Content-Length") or 0)).decode()
        if to.command == "PUT" and url.path == "/lists":
            with self.lock:
                self.lists.append(body)
            return 200, {"entries": body.count("\n")}
        if url.path == "/status":
            return 200, self.status()
        if url.path == "/normal":
            return 200, self.normal
        if url.path == "/why":
            found = self.known.get(asked.get("id") or asked.get("address"))
            return (200, found) if found else (404, {"error": "that isn't known"})
        if url.path == "/events":
            with self.lock:
                after = int(asked["after"])
                oldest = max(0, len(self.all) - self.ring)
                found = self.all[max(after, oldest):][:self.ROUND]
                return 200, {"zone": self.zone, "events": found, "next": found[-1]["seq"] if found else min(after, len(self.all)),
                             "lost": max(0, oldest - after) if found else 0}
        return 404, {"error": "there is no such thing"}

    def __enter__(self):
        control = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                status, what = control.answer(self)
                body = (what if isinstance(what, str) else json.dumps(what)).encode()
                if control.raw is not None:
                    self.wfile.write(control.raw)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_GET

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

            def address_string(self):
                return "control"

        class Server(http.server.ThreadingHTTPServer):
            address_family = 1  # AF_UNIX
            daemon_threads, request_queue_size = True, 64

            def server_bind(self):
                self.socket.bind(self.server_address)

            def finish_request(self, request, _):
                Handler(request, ("control", 0), self)

            def handle_error(self, *_):
                """Who asked was killed meanwhile."""

        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)
