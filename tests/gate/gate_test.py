"""khien gate as its users meet it: in front of a site and of the kiosk, killed, reloaded, misconfigured."""
import http.client
import importlib.util
import os
import pwd
import random
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from front import HERE, SLOW, Gate, Scratch, Upstream, check, children, free_ports, harness, headers_of, name_of, processes, run, runs, until


def kiosk_running():
    spec = importlib.util.spec_from_file_location("kiosk_running", os.path.join(HERE, "..", "kiosk", "running.py"))
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


# --- in front of a site ---


def pages():
    with Scratch() as scratch, Upstream() as upstream, Gate(scratch, upstream.url, "--no-waf", https=True,
                                                                    config="gate: { body_max: 100 kB }\n") as gate:
        status, headers, _ = gate.ask("/x?a=1", X_Forwarded_For="6.6.6.6", X_Forwarded_Host="evil", Forwarded="for=6.6.6.6", Proxy="evil",
                                      X_Original_URL="/admin", X_Real_IP="6.6.6.6", X_Forwarded_Proto="https")
        seen = headers_of(upstream, "/x?a=1")
        check(status == 200 and seen["x-forwarded-for"] == "127.0.0.1" and seen["x-real-ip"] == "127.0.0.1", seen)
        check(seen["x-forwarded-proto"] == "http" and not {"forwarded", "proxy", "x-original-url"} & set(seen), seen)
        check(seen["host"] == seen["x-forwarded-host"] == f"127.0.0.1:{gate.port}", seen)
        check(headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "SAMEORIGIN", headers)
        check(headers["Server"] == "nginx", headers)
        _, headers, _ = gate.ask("/own")
        check(headers.get_all("X-Frame-Options") == ["DENY"] and headers.get_all("Referrer-Policy") == ["no-referrer"], headers)
        check("X-Powered-By" not in headers, headers)
        check(gate.ask("/post", "POST", b"a" * 99000)[0] == 200 and upstream.asked[-1][3] == 99000, upstream.asked[-1])
        check(gate.ask("/post", "POST", b"a" * 101000)[0] == 413, "a body beyond the bound")
        check(gate.ask("/.khien/events")[0] == 404, "an inner name can be asked for")
        # nobody is left alone with a page of nginx's
        status, headers, page = gate.ask("/hang-up")
        check(status == 502 and headers["Cache-Control"] == "no-store" and b"http-equiv=refresh" in page and "网站" in page.decode(), page)
        # what can't be known to have been done isn't done twice
        before = len(upstream.asked)
        status, _, page = gate.ask("/hang-up", "POST", b"x=1")
        check(status == 502 and b"refresh" not in page and len(upstream.asked) == before + 1, "a POST went out twice")
        tls(gate, upstream)
        kept(gate, upstream)
        streams(gate, upstream)
        check(gate.stop() == 0, f"it ended badly: {gate.said[-5:]}")


def tls(gate, upstream):
    status, _, _ = gate.ask("/tls", tls=True)
    check(status == 200 and headers_of(upstream, "/tls")["x-forwarded-proto"] == "https", upstream.asked[-1])
    for most in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        context.maximum_version = most
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(socket.create_connection(("127.0.0.1", gate.tls_port), 20 * SLOW)) as s:
            check(s.selected_alpn_protocol() == "h2" and "ECDSA" in s.cipher()[0] + "ECDSA" * (most == ssl.TLSVersion.TLSv1_3), s.cipher())
    curl = subprocess.run(["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                           f"https://127.0.0.1:{gate.tls_port}/h2"], capture_output=True, text=True, check=False, timeout=20 * SLOW)
    check(curl.stdout == "2 200", curl)


def kept(gate, upstream):
    def times(path):
        for _ in range(3):
            check(gate.ask(path)[0] == 200, path)
        return sum(its == path for _, its, _, _ in upstream.asked)

    check(times("/a.css") == 1, "what may be kept wasn't")
    for path in ("/cookie.css", "/page.png", "/varies.css", "/b.css"):
        check(times(path) == 3, f"{path} was kept")
    check(gate.ask("/a.css")[1]["X-Content-Type-Options"] == "nosniff", "what was kept lacks its headers")


def streams(gate, upstream):
    with socket.create_connection(("127.0.0.1", gate.port), 10 * SLOW) as s:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        got = b""
        while b"data: first" not in got:
            got += s.recv(4096) or b"data: first is missing"
        check(b"is missing" not in got, got)
    upstream.release.set()
    with socket.create_connection(("127.0.0.1", gate.port), 10 * SLOW) as s:
        s.sendall(b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got:
            got += s.recv(4096)
        s.sendall(b"hello")
        check(b" 101 " in got and s.recv(100) == b"HELLO", got)
    gate.ask("/no-h2c", Connection="upgrade, http2-settings", Upgrade="h2c", HTTP2_Settings="AAMAAABkAAQAAP__")
    check("upgrade" not in headers_of(upstream, "/no-h2c"), "another protocol was offered to the site")


def names():
    """Who asks for another name; http leads to https; trusted proxies."""
    config = "gate: { names: [site.example], tls: { only: true }, proxies: [127.0.0.0/8], contact: '028 3999 0000' }\n"
    with Scratch() as scratch, Upstream() as upstream, Gate(scratch, upstream.url, https=True, config=config) as gate:
        try:
            raise AssertionError(f"another name was answered: {gate.ask('/', Host='other.example')[0]}")
        except (http.client.RemoteDisconnected, ConnectionResetError):
            pass
        status, headers, _ = gate.ask("/a?b=c", Host="site.example")
        check(status == 308 and headers["Location"] == f"https://site.example:{gate.tls_port}/a?b=c", headers["Location"])
        curl = subprocess.run(["curl", "-ski", "--http2", "--resolve", f"site.example:{gate.tls_port}:127.0.0.1", "-H",
                               "X-Forwarded-For: 203.0.113.7, 6.6.6.6, 127.0.0.9", f"https://site.example:{gate.tls_port}/p"],
                              capture_output=True, text=True, check=False, timeout=20 * SLOW)
        check("strict-transport-security: max-age=15768000" in curl.stdout and "x-frame-options: SAMEORIGIN" in curl.stdout, curl)
        # the nearest that no trusted proxy added; what is further left anybody may have written
        check(headers_of(upstream, "/p")["x-forwarded-for"] == "6.6.6.6", upstream.asked[-1])
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        try:
            with context.wrap_socket(socket.create_connection(("127.0.0.1", gate.tls_port), 20 * SLOW), server_hostname="other.example"):
                raise AssertionError("a handshake for another name")
        except ssl.SSLError:
            pass


def upstream_tls():
    """A site behind https: only the one that the certificate is for."""
    with Scratch() as scratch, Upstream() as upstream, Gate(scratch, upstream.url, "--no-waf", name="site", https=True) as site:
        ca = os.path.join(site.data, "pki", "ca.crt")
        right = f"https://localhost:{site.tls_port}"
        with Gate(scratch, right, "--no-waf", config=f"gate: {{ upstream_ca: {ca} }}\n") as gate:
            check(gate.ask("/through")[0] == 200 and headers_of(upstream, "/through"), gate.said)
        with Gate(scratch, right, "--no-waf", name="doubts") as gate:
            check(gate.ask("/not")[0] == 502, "a certificate of nobody's was believed")
        done = scratch.khien("gate", "--upstream", f"https://127.0.0.1:{site.tls_port}", "--print")
        check(done.status == 2 and "write the name that its certificate is for" in done.err, done)


def proxy_protocol():
    with Scratch() as scratch, Upstream() as upstream:
        with Gate(scratch, upstream.url, "--no-waf", config="gate: { proxies: [127.0.0.1], header: proxy_protocol }\n") as gate:
            with socket.create_connection(("127.0.0.1", gate.port), 20 * SLOW) as s:
                s.sendall(b"PROXY TCP4 203.0.113.7 10.0.0.1 4242 80\r\nGET /p HTTP/1.0\r\n\r\n")
                check(b" 200 " in s.recv(4096), "refused")
            check(headers_of(upstream, "/p")["x-forwarded-for"] == "203.0.113.7", upstream.asked)


UNTIL = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 200 * 86400))
PATCH = f"""id: his-2026-11-upload
owner: an@hospital.example
expires: {UNTIL}
why: "runs what is uploaded"
when:
  path: /profile/avatar
  method: [POST]
  argument: {{ name: file, regex: 'runme$' }}
do: deny
"""


def patches():
    """A hole closed; an attack that CRS knows; one patch that is wrong, at a reload and at the start."""
    with Scratch() as scratch, Upstream() as upstream:
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        scratch.write("gate/patches/one.yaml", PATCH)
        with Gate(scratch, upstream.url) as gate:
            status, _, page = gate.ask("/?q=%3Cscript%3Ealert(1)%3C/script%3E")
            check(status == 403 and b"looks like an attack" in page, page)
            check(gate.ask("/profile/avatar", "POST", b"file=runme", **form)[0] == 403, "the hole is open")
            check(gate.ask("/profile/avatar", "POST", b"file=other", **form)[0] == 200, "more than the hole is closed")
            shown = gate.job("patches")
            check(shown.status == 0 and all(word in shown.out for word in (b"denies", UNTIL.encode(), b"his-2026-11-upload")), shown)
            wrong_one = scratch.write("gate/patches/two.yaml", PATCH.replace("owner", "ower"))
            gate.process.send_signal(signal.SIGHUP)
            gate.says("event=reload-refused")
            gate.says("two.yaml:2:1: ")
            check(gate.ask("/profile/avatar", "POST", b"file=runme", **form)[0] == 403, "the hole is open again")
            check(gate.job("patches").status == 2, "a wrong one")
        done = scratch.khien("gate", "--upstream", upstream.url, "--data", scratch.path("gate"), "--http", f"127.0.0.1:{free_ports()[0]}")
        check(done.status == 2 and "two.yaml:2:1: " in done.err, done)
        os.unlink(wrong_one)
        scratch.write("gate/patches/one.yaml", PATCH.replace(UNTIL, "2020-01-31"))
        shown = scratch.khien("gate", "patches", "--json", "--data", scratch.path("gate"))
        check(shown.status == 1 and b"expired" in shown.out, shown)


BROWSER = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
           "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept_Language": "vi-VN,vi;q=0.9", "Cookie": "lang=vi; id=3f9a-1"}


def asked_with(text):
    """Each attack where a browser's request could carry it; what can't be sent as it is, escaped."""
    escaped = urllib.parse.quote(text, safe="/=;:,()*")
    plain = re.sub(r"[^ -~]", "", text)
    return [("/" + escaped.lstrip("/"), {}), ("/page/" + escaped, {}), ("/", {"Cookie": f"a={plain}"}), ("/", {"Referer": f"http://a.example/{plain}"}),
            ("/", {"User_Agent": f"{BROWSER['User_Agent']} {plain}"}), ("/", {"User_Agent": plain}), ("/", {"Accept": plain}), ("/", {"Accept_Language": plain})]


def conf_of(gate):
    with open(os.path.join(gate.data, "nginx", "nginx.conf"), encoding="utf-8") as file:
        return file.read()


def plain():
    """What goes past the WAF because it is plain is nothing that the WAF would refuse: the same gate, with a patch about any page, has it look at all."""
    with open(os.path.join(HERE, "corpus", "attacks.txt"), encoding="utf-8") as file:
        attacks = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("# ")]
    chance = random.Random()  # a quarter of them, each time others
    with Scratch() as scratch, Upstream() as upstream:
        scratch.write("looks/patches/any.yaml", f"id: any\nowner: an@a.example\nexpires: {UNTIL}\nwhy: a test\nwhen: {{ path: /never-there }}\ndo: deny\n")
        for name in ("gate", "looks"):
            scratch.write(f"{name}/state/lists", 'allow 127.0.0.1 until never by root why "a test"\n')
        with Gate(scratch, upstream.url) as gate, Gate(scratch, upstream.url, name="looks") as looks:
            check("khien_plain" in conf_of(gate) and "khien_plain" not in conf_of(looks), "which looks?")
            refused = n = 0
            for path, headers in [("/", {}), ("/a.css", {}), ("/s/1/2026-11-25", {})] + [one for text in attacks[chance.randrange(4)::4] for one in asked_with(text)]:
                statuses = [one.ask(path, **{**BROWSER, **headers})[0] for one in (gate, looks)]
                check(statuses[0] == statuses[1], f"{path} {headers}: {statuses}")
                n, refused = n + 1, refused + (statuses[1] == 403)
            check(refused > n / 4, f"of {n} only {refused} were refused at all")
            print(f"  {n} requests, {refused} refused, by both")
            check(gate.ask("/.khien/page", **BROWSER)[0] == 404, "an inner name can be asked for")


def kiosk():
    running = kiosk_running()
    with Scratch() as scratch, running.Kiosk(scratch, more_config="") as site:
        site.hospital()
        with Gate(scratch, f"http://127.0.0.1:{site.port}", config="gate: { waf: { exclusions: [kiosk] } }\n") as gate:
            day = site.days()[0]
            visitor = running.Visitor(gate.port)
            visitor.book(day)
            check(visitor.status == 200 and len(site.bookings(day)) == 1, f"{visitor.status} {visitor.text[:500]}")
            with socket.create_connection(("127.0.0.1", gate.port), 20 * SLOW) as s:
                s.sendall(b"GET /board/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
                got = b""
                while b"data:" not in got and (more := s.recv(4096)):
                    got += more
                check(b"text/event-stream" in got and b"data:" in got, got)
            check(gate.stop() == 0, f"it ended badly: {gate.said[-5:]}")


# --- what happens to it ---


def kills():
    with Scratch() as scratch, Upstream() as upstream:
        with Gate(scratch, upstream.url, "--no-waf") as gate:
            worker = children(gate.master())[0]
            os.kill(worker, signal.SIGKILL)
            gate.answers()
            master, workers = gate.master(), children(gate.master())
            os.kill(master, signal.SIGKILL)
            until(lambda: not any(map(runs, [master, *workers])), "workers outlive their master")
            until(lambda: os.path.exists(os.path.join(gate.data, "run", "nginx.pid")), "no nginx again")
            gate.answers()
            agent = gate.agent()
            os.kill(agent, signal.SIGKILL)
            until(lambda: any(name_of(pid) == "khien: gate-age" and pid != agent for pid in children(gate.process.pid)), "no agent again")
            gate.answers()
            all_of_it = processes(gate.process.pid)
            gate.process.kill()
            gate.process.wait()
            until(lambda: not any(map(runs, all_of_it)), f"something outlives the gate: {all_of_it}")
        with Gate(scratch, upstream.url, "--no-waf") as gate:  # on what was left behind
            gate.answers()
            second = scratch.khien("gate", "--upstream", upstream.url, "--data", gate.data, "--config", gate.config)
            check(second.status == 2 and "runs on" in second.err, second)
            gate.answers()
            below = processes(gate.process.pid)
            check(gate.stop() == 0 and not any(map(runs, below)), f"{gate.said[-5:]}")
            check(not os.listdir(os.path.join(gate.data, "run")), os.listdir(os.path.join(gate.data, "run")))


def graceful():
    """Who is being answered when it is told to end, is."""
    with Scratch() as scratch, Upstream() as upstream, Gate(scratch, upstream.url, "--no-waf") as gate:
        with socket.create_connection(("127.0.0.1", gate.port), 20 * SLOW) as s:
            s.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            got = s.recv(4096)
            gate.process.terminate()
            time.sleep(0.5)
            upstream.release.set()
            while more := s.recv(4096):
                got += more
            check(got.endswith(b"\r\n") or b"data: first" in got, got)
        check(gate.process.wait(30 * SLOW) == 0, gate.said[-5:])


def notifies():
    """Whoever started it is told when it is ready, that it lives, and that it ends."""
    with Scratch() as scratch, Upstream() as upstream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as said:
        said.bind(scratch.path("notify"))
        said.settimeout(10 * SLOW)
        with Gate(scratch, upstream.url, "--no-waf", env=scratch.env(NOTIFY_SOCKET=scratch.path("notify"))) as gate:
            wanted = {b"READY=1", b"WATCHDOG=1"}
            while wanted:
                wanted -= set(said.recv(4096).split(b"\n"))
            check(gate.stop() == 0, gate.said[-5:])
            while said.recv(4096) != b"STOPPING=1":
                pass


def reload():
    with Scratch() as scratch, Upstream() as upstream, Gate(scratch, upstream.url, "--no-waf") as gate:
        check(gate.ask("/", "POST", b"a" * 5000)[0] == 200, "it doesn't begin")
        key = open(os.path.join(gate.data, "pass.key"), encoding="ascii").read()
        check(len(key) == 65 and os.stat(os.path.join(gate.data, "pass.key")).st_mode & 0o777 == 0o600, key)
        done = gate.job("key")
        two = open(os.path.join(gate.data, "pass.key"), encoding="ascii").read()
        check(done.status == 0 and two.endswith("\n" + key) and len(two) == 130, (done, two))
        os.chmod(os.path.join(gate.data, "pass.key"), 0o644)
        check("chmod 600" in gate.job("key").err, "a key that others can read")
        os.chmod(os.path.join(gate.data, "pass.key"), 0o600)
        scratch.write("gate.yaml", "gate: { body_max: 1 kB }\n")
        gate.process.send_signal(signal.SIGHUP)
        gate.says("event=reloaded")
        until(lambda: gate.ask("/", "POST", b"a" * 5000)[0] == 413, "nothing changed")
        for wrong, what in (("gate: { body_max: 1 parsec }\n", "2:"), ("gate: { upstream_ca: /not/there, body_max: 9 kB }\n", "")):
            refused = sum("event=reload-refused" in line for line in gate.said)
            scratch.write("gate.yaml", wrong)
            gate.process.send_signal(signal.SIGHUP)
            until(lambda: sum("event=reload-refused" in line for line in gate.said) > refused, (what, gate.said))
            check(gate.ask("/", "POST", b"a" * 5000)[0] == 413, "a broken configuration was taken")
        until(lambda: any(name_of(pid) == "khien: gate-age" for pid in children(gate.process.pid)), "no agent")


def reloads():
    """Nobody is lost while it is reloaded over and over, also when nobody waits for the one before to be done."""
    with Scratch() as scratch, Upstream() as upstream, Gate(scratch, upstream.url, "--no-waf") as gate:
        lost, ended = [], threading.Event()

        def visit():
            while not ended.is_set():
                try:
                    status = gate.ask("/visit")[0]
                except (OSError, http.client.HTTPException) as gone:
                    status = gone
                if status != 200:
                    lost.append(status)

        visitors = [threading.Thread(target=visit) for _ in range(4)]
        for v in visitors:
            v.start()
        for _ in range(6):
            gate.process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
        ended.set()
        for v in visitors:
            v.join()
        check(not lost and len(upstream.asked) > 20, (lost[:5], len(upstream.asked)))


def wrong():
    """Each wrong configuration: where it stands, and what to write."""
    with Scratch() as scratch, Upstream() as upstream:
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other, garbage = free_ports()[0], scratch.write("garbage.pem", "garbage")
        free = f"listen: {{ http: '127.0.0.1:{other}' }}"
        cases = [
            ("gate:\n  upstream: http://127.0.0.1/path\n", ":2:13: ", "without a path"),
            ("gate:\n  upstream: ftp://x\n", ":2:13: ", "is no URL"),
            (f"gate:\n  {free}\n  upstream: http://no-such-name.invalid\n", ":3:13: gate.upstream: ", "host not found"),
            ("gate:\n  upstream: http://127.0.0.1:1\n  listen: { https: '127.0.0.1:8443' }\n  tls: { certificate: /a }\n", ":4:", "belong together"),
            (f"gate:\n  upstream: {upstream.url}\n  listen:\n    http: []\n    https: '127.0.0.1:{other}'\n  tls:\n    certificate: {garbage}\n    key: "
             f"{garbage}\n", ":7:18: gate.tls.certificate: ", "PEM"),
            (f"gate:\n  upstream: {upstream.url}\n  contact: 'call us\"; evil'\n  {free}\n", ":3:12: ", "write it without"),
            (f"gate:\n  upstream: {upstream.url}\n  contact: 'a $host'\n  {free}\n", ":3:12: ", "write it without"),
            (f"gate:\n  upstream: {upstream.url}\n  header: 'X; evil'\n  {free}\n", ":3:11: ", "is no header"),
            (f"gate:\n  upstream: {upstream.url}\n  proxies: [0.0.0.0/0]\n  {free}\n", ":3:12: ", "is everybody"),
            (f"gate:\n  upstream: {upstream.url}\n  header: proxy_protocol\n  {free}\n", ":3:11: ", "gate.proxies"),
            (f"gate:\n  upstream: {upstream.url}\n  tls: {{ only: true }}\n  {free}\n", ":3:16: ", "listen.https"),
            (f"gate:\n  upstream: {upstream.url}\n  waf: {{ exclusions: [nothing-of-the-kind] }}\n  {free}\n", ":3:22: gate.waf.exclusions: ", "make it"),
            (f"gate:\n  upstream: {upstream.url}\n  waf: {{ level: 9 }}\n  {free}\n", ":3:17: ", "1, 2, 3"),
            (f"gate:\n  upstream: {upstream.url}\n  listen: {{ http: '127.0.0.1:{port}' }}\n", ":3:19: gate.listen.http: ", "another program"),
            (f"gate:\n  upstream: {upstream.url}\n  listen: {{ http: '192.0.2.1:{other}' }}\n", ":3:19: gate.listen.http: ", "doesn't have that address"),
            (f"gate:\n  upstream: {upstream.url}\n  listen: {{ http: '127.0.0.1:{other}', https: '127.0.0.1:{other}' }}\n", ":3:", "twice"),
        ]
        for i, (config, where, what) in enumerate(cases):
            path = scratch.write(f"{i}.yaml", config)
            done = scratch.khien("gate", "--config", path, "--data", scratch.path(f"d{i}"), timeout=60 * SLOW)
            check(done.status == 2 and path + where in done.err and what in done.err, (config, where, what, done))
        option = scratch.khien("gate", "--upstream", upstream.url, "--http", f"127.0.0.1:{port}", "--data", scratch.path("o"), "--no-waf",
                               timeout=60 * SLOW)
        check(option.status == 2 and "--http: nginx says: " in option.err and "another program" in option.err, option)
        if os.geteuid() == 0:
            os.mkdir(scratch.path("closed"), 0o700)
            closed = scratch.khien("gate", "--upstream", upstream.url, "--data", scratch.path("closed", "d"))
            check(closed.status == 2 and "can't be entered" in closed.err and "chmod" in closed.err, closed)
        none = scratch.khien("gate", "--data", scratch.path("n"))
        check(none.status == 2 and "gate.upstream" in none.err and "--upstream" in none.err, none)
        module = scratch.khien("gate", "--upstream", upstream.url, "--module", "/not/there.so", "--data", scratch.path("m"))
        check(module.status == 2 and "--module '/not/there.so'" in module.err, module)
        taken.close()


def prints():
    with Scratch() as scratch:
        done = scratch.khien("gate", "--upstream", "http://[::1]:99", "--http", "[::1]:80", "--print", "--data", scratch.path("d"))
        check(done.status == 0 and b"server [::1]:99 " in done.out and b"listen [::1]:80 " in done.out, done)
        check(not os.path.exists(scratch.path("d")), "it made a folder")


def another_user():
    """Started by somebody who isn't root."""
    user = "nobody" if os.geteuid() == 0 else None
    with Scratch() as scratch, Upstream() as upstream:
        data = scratch.path("gate")
        os.mkdir(data)
        if user:
            os.chown(data, pwd.getpwnam(user).pw_uid, -1)
        reachable = user and subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", "test", "-x", harness.KHIEN], check=False).returncode
        if reachable:
            harness.skip("nobody can't reach the program")
        with Gate(scratch, upstream.url, https=True, user=user, env=scratch.env(HOME=data)) as gate:
            gate.answers()
            check(gate.ask("/t", tls=True)[0] == 200, "no TLS")
            check(any("certificate-of-its-own" in line for line in gate.said) or not user, gate.said)
            check(gate.stop() == 0, gate.said[-5:])


TESTS = {"pages": pages, "names": names, "upstream-tls": upstream_tls, "proxy-protocol": proxy_protocol, "patches": patches, "plain": plain, "kiosk": kiosk,
         "kills": kills, "graceful": graceful, "notifies": notifies, "reload": reload, "reloads": reloads, "wrong": wrong, "prints": prints, "another-user": another_user}

if __name__ == "__main__":
    run(TESTS)
