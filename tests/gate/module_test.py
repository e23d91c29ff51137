#!/usr/bin/python3
"""The nginx module as its users meet it: module_test.py KHIEN [NAME...]. See gate/README.md."""
import concurrent.futures
import contextlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from running import (BROWSER, MODULES, SLOW, Nginx, Site, Unix, allow, block, harness, have, runs)  # noqa: E402

DROPPED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
PAGE = {"vi": "Đang có rất nhiều người truy cập", "en": "Very many people are here", "zh": "现在访问的人非常多"}


def same(one, other):
    if one != other:
        raise AssertionError(f"{one!r} isn't {other!r}")


def true(what, why):
    if not what:
        raise AssertionError(why)


def dropped(gate, source, **more):
    try:
        return "dropped" if gate.ask(source=source, **more) is None else "answered"
    except DROPPED:
        return "dropped"


def cookie_of(answer):
    """The pass that an answer gives, or None."""
    for line in answer.headers.get_all("Set-Cookie") or []:
        if line.startswith("khien_pass="):
            same(sorted(line.split("; ")[1:]), ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax"])
            return line.split(";")[0]
    return None


def press(gate, until, seconds=20):
    """A site that fails: who comes makes it strict, until the state is as wanted."""
    def one(i):
        with contextlib.suppress(OSError, http.client.HTTPException):
            gate.ask("/status/503", source=f"127.0.1.{1 + i % 250}", headers={"User-Agent": f"bot {i}"})
    end, i = time.monotonic() + seconds * SLOW, 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        while not until(gate.status()):
            true(time.monotonic() < end, f"it never became strict: {gate.status()}")
            list(pool.map(one, range(i, i + 40)))
            i += 40


def strangers_out(state):
    return state["stranger"] is not None and state["stranger"] < 3e-6


# --- configuration ---


def directives():
    server = Nginx.SERVER
    wrong = [
        ("khien_zone 1m;", server, "16m to 48m"), ("khien_zone 64m;", server, "16m to 48m"), ("khien_zone many;", server, "16m to 48m"),
        ("khien_zone 16m; khien_zone 16m;", server, "duplicate"), ("khien_zone 16m; khien maybe;", server, "on, watch or off"),
        ("khien_zone 16m; khien_key {folder}/none;", server, "none"), ("khien_zone 16m; khien_key {folder}/bad;", server, "bad: "),
        ("khien_zone 16m; khien_lists {folder}/wrong;", server, "wrong: 2:"), ("khien_zone 16m; khien_slow soon;", server, "khien_slow"),
        ("khien_zone 16m;", "server {{ listen 127.0.0.1:{port}; location / {{ khien_control; }} }}", "listen unix:"),
        ("khien_zone 16m;", "server {{ location / {{ khien_control; }} }}", "listen unix:"),
        ("khien_zone 16m;", "server {{ listen unix:{folder}/two; listen 127.0.0.1:{port}; location /a {{ khien_control; }} }}", "listen unix:"),
        ("khien_zone 16m;", "server {{ listen 127.0.0.1:{port}; location / {{ khien off; }} }}", "not allowed here"),
        ("", server, "khien_zone"),
    ]
    with harness.Scratch() as scratch:
        gate = Nginx(scratch, start=False)
        scratch.write("nginx/bad", "no key\n")
        scratch.write("nginx/wrong", "# a comment\nforbid 192.0.2.1\n")
        same(gate.check(), "")
        for http_part, servers, words in wrong:
            gate.write(http_part=http_part, servers=servers)
            said = gate.check()
            true(words in said, f"{http_part} {servers}: {said!r} has no {words!r}")


def without_zone():
    """The module loaded and nothing else: as if it weren't there."""
    with harness.Scratch() as scratch, Site() as site:
        gate = Nginx(scratch, site, http_part="khien on;", start=False)
        gate.parts = ("khien on;", Nginx.SERVER, "", 1)
        text = gate.text().replace("location / { khien_control; }", "return 200 ok;")
        scratch.write("nginx/nginx.conf", text)
        same(gate.check(), "")
        true("does nothing without a zone" in subprocess.run(gate.command("-t"), capture_output=True, text=True, check=False).stderr, "no warning")


# --- at rest ---


def passes():
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site) as gate:
        first = gate.ask("/")
        same((first.status, first.headers.get_all("Cache-Control")), (200, ["private"]))
        cookie = cookie_of(first)
        true(cookie, "no pass was given")
        again = gate.ask("/", headers={**BROWSER, "Cookie": f"a=b; {cookie}; c=d"})
        same((again.status, cookie_of(again)), (200, None))
        same([gate.status()[name] for name in ("passes_given", "passes_valid", "passes_bad")], [1, 1, 0])
        forged = cookie[:-3] + ("AAA" if cookie[-3:] != "AAA" else "BBB")
        true(cookie_of(gate.ask("/", headers={**BROWSER, "Cookie": forged})), "who shows a forged one gets a good one")
        same(gate.status()["passes_bad"], 1)
        for query, given in (("type=image/png", 0), ("type=application/json", 0), ("Cache-Control=public", 0), ("Cache-Control=max-age%3D60", 0),
                             ("Cache-Control=s-maxage%3D9", 0), ("Expires=Thu,+01+Dec+2094+16:00:00+GMT", 0), ("Cache-Control=no-store", 1),
                             ("Cache-Control=private,+max-age%3D60", 1), ("Cache-Control=max-age%3D0", 1), ("Set-Cookie=khien_pass%3Dother", 0),
                             ("Set-Cookie=session%3D1", 1)):
            answer = gate.ask(f"/?{query}")
            lines = answer.headers.get_all("Set-Cookie") or []
            ours = [line for line in lines if line.startswith("khien_pass=") and "other" not in line]
            same((query, answer.status, len(ours)), (query, 200, given))
            if query.startswith("Set-Cookie"):
                true(any("other" in line or "session" in line for line in lines), "the site's own cookie is gone")
            if "no-store" in query:
                same(answer.headers.get_all("Cache-Control"), ["no-store"])
        same(cookie_of(gate.ask("/status/404")), None)
        same(cookie_of(gate.ask("/", headers={"Accept": "*/*"})), None)


def no_pass():
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, http_part=Nginx.HTTP + "khien_pass off;") as gate:
        same(cookie_of(gate.ask("/")), None)
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, http_part="khien_zone 16m; khien on;") as gate:
        same(cookie_of(gate.ask("/")), None)
        same(gate.status()["asked"], 1)


def counts():
    """What it says of itself adds up."""
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site) as gate:
        gate.lists(block("127.0.0.2"), allow("127.0.0.3"))
        for i in range(30):
            gate.ask("/", source="127.0.0.1")
            gate.ask("/", source="127.0.0.3")
            if i % 3 == 0:
                same(dropped(gate, "127.0.0.2"), "dropped")
        s = gate.status()
        same((s["asked"], sum(s["verdicts"].values()), sum(s["reasons"].values())), (70, 70, 70))
        same((s["verdicts"]["pass"], s["verdicts"]["drop"], s["reasons"]["blocked"], s["reasons"]["allowed"]), (60, 10, 10, 30))
        same((s["mode"], s["workers"], s["zone_bytes"], s["pid"]), ("on", 2, 16 << 20, gate.process.pid))
        true(re.fullmatch("[0-9a-f]{16}", s["zone"]), s["zone"])
        same((s["share"], s["strict_since"]), (None, None))
        text = gate.control("/metrics")[1]
        true('khien_gate_requests_total{verdict="drop"} 10\n' in text and "khien_gate_share +Inf\n" in text, text)
        gate.wait_for(lambda: gate.log("access").count("] GET / ") == 70, "70 lines of log")
        log = gate.log("access").splitlines()
        same((sum("[pass] [allowed] []" in line for line in log), sum("444 [drop] [blocked] [" in line for line in log)), (30, 10))
        same(len(site.seen), 60)


# --- what operators say ---


def lists():
    with harness.Scratch() as scratch, Site() as site:
        scratch.write("nginx/lists", "# of the file\n" + block("127.0.0.9") + "\n" + block("127.0.9.0/24") + "\n" + allow("127.0.9.9") + "\n")
        with Nginx(scratch, site, workers=3) as gate:
            same([dropped(gate, "127.0.0.9"), dropped(gate, "127.0.9.8"), dropped(gate, "127.0.9.9")], ["dropped", "dropped", "answered"])
            same(gate.lists(block("127.0.0.2"), block("::1")), 2)
            for _ in range(12):  # of all workers
                same([dropped(gate, "127.0.0.2"), dropped(gate, "::1"), dropped(gate, "127.0.0.9")], ["dropped", "dropped", "answered"])
            why = gate.control("/why?address=127.0.0.2")[1]
            same((why["verdict"], why["reason"], why["list"]["action"], why["list"]["prefix"], why["list"]["by"], why["list"]["until"]),
                 ("drop", "blocked", "block", "127.0.0.2", "tests", None))
            same(gate.control("/why?address=127.0.0.77")[1]["list"], None)
            same(gate.control("/why?address=%3A%3A1")[1]["list"]["prefix"], "::1")
            number = why["last"]["id"]
            true(re.fullmatch("[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", number), number)
            for written in (number, number.lower(), number.replace("-", "")):
                same(gate.control(f"/why?id={written}")[1]["address"], "127.0.0.2")
            same([gate.control(f"/why?{q}")[0] for q in ("id=0000-0000-0000", "id=what", "address=127.0.0.0/8", "address=me", "")], [404, 400, 400, 400, 400])
            status, answer = gate.control("/lists", "PUT", block("127.0.0.3") + "\nnonsense\n")
            true(status == 400 and "2" in answer["error"], answer)
            same(dropped(gate, "127.0.0.2"), "dropped")  # what was there stays
            same(gate.control("/lists", "PUT", "#" * ((4 << 20) + 1))[0], 413)
            same(gate.lists(block("127.0.0.2", until="2001-01-01T00:00:00Z")), 1)
            same(dropped(gate, "127.0.0.2"), "answered")
            same(gate.lists(), 0)
            same(dropped(gate, "::1"), "answered")
            gate.reload()
            same(dropped(gate, "127.0.0.9"), "dropped")  # the file's again


def control():
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site) as gate:
        same([gate.control(*what)[0] for what in (("/",), ("/lists",), ("/status", "POST", "x"), ("/events?after=x",), ("/normal",))],
             [404, 405, 405, 400, 200])
        gate.lists(block("192.0.2.1"))
        events = gate.control("/events?after=0")[1]
        same([(e["kind"], e["from"]) for e in events["events"]], [("list", None)] * len(events["events"]))
        newest = events["next"]
        same((events["zone"], events["lost"], events["events"][-1]["seq"]), (gate.status()["zone"], 0, newest))
        for after in (newest, newest + 7, 10 ** 18):
            later = gate.control(f"/events?after={after}")[1]
            same((later["events"], later["next"]), ([], newest))
        big = "\n".join(block(f"2001:db8:{i:x}::/48") for i in range(16384)) + "\n"
        same(gate.control("/lists", "PUT", big)[1], {"entries": 16384})
        same(gate.control("/lists", "PUT", big + block("192.0.2.1") + "\n")[0], 400)
        raw = Unix(f"{gate.folder}/control")
        raw.connect()
        with raw.sock as s:
            s.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        true(f"Content-Length: {len(body)}".encode() in head, head)


# --- turned away ---


def pages():
    contact = 'khien_contact "1900 <1234> & more";'
    servers = ("server {{ listen 127.0.0.1:{port}; error_page 429 = /never; location = /never {{ return 200 never; }} "
               "location / {{ proxy_pass http://127.0.0.1:{site}; }} }}")
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, http_part=Nginx.HTTP + contact, servers=servers) as gate:
        press(gate, strangers_out)
        true(gate.status()["strict_since"], "it doesn't say since when")
        for accept, lang in (("vi-VN,vi;q=0.9,en;q=0.8", "vi"), ("en-US,en;q=0.9", "en"), ("zh-CN", "zh"), ("de, en;q=0.3, zh;q=0.5", "zh"), ("fr", "vi")):
            answer = gate.ask("/", headers={**BROWSER, "Accept-Language": accept}, source="127.0.2.1")
            same((answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]), (429, "text/html; charset=utf-8", "no-store"))
            true(PAGE[lang] in answer.text and f'lang="{lang}"' in answer.text, f"{accept}: {answer.text}")
            seconds = answer.headers["Retry-After"]
            true(f'http-equiv="refresh" content="{seconds}"' in answer.text and f"<b>{seconds}</b>" in answer.text, answer.text)
            true("1900 &lt;1234&gt; &amp; more" in answer.text and answer.headers["Khien-Id"] in answer.text, answer.text)
            true(len(answer.text.encode()) < 2048, "more than 2 KB")
            true(re.search(r"[\x00-\x09\x0b-\x1f]", answer.text) is None, "a blank is left")
            same(gate.control("/why?id=" + answer.headers["Khien-Id"])[1]["verdict"], "deny")
        line = gate.ask("/", headers={}, source="127.0.2.1")
        true(line.status == 429 and line.text.count("\n") == 1 and line.headers["Content-Type"].startswith("text/plain"), line.text)
        same(gate.ask("/", method="HEAD", source="127.0.2.1").text, "")
        # a body that was sent is read, and the connection serves on
        connection = gate.connection("127.0.2.1")
        for body in (b"a=b", b"x" * 300000):
            posted = gate.ask("/", "POST", body, connection=connection)
            true(posted.status == 429 and "refresh" not in posted.text and "send it again" in posted.text, posted.text)
        posted = gate.ask("/", "POST", iter([b"abc", b"d" * 70000]), headers={**BROWSER, "Transfer-Encoding": "chunked"}, connection=connection)
        same(posted.status, 429)
        same(gate.ask("/", connection=connection).status, 429)
        connection.close()
        # who comes back with what he was given is let in
        cookie = cookie_of(posted)
        gate.wait_for(lambda: gate.ask("/", headers={**BROWSER, "Cookie": cookie}, source="127.0.2.1").status == 200, "the pass is valid")
        true(all(path != "/" or method == "GET" for method, path in site.seen), "a POST reached the site")
        gate.logs("[deny] [stranger] [")


def slow():
    """Who had a little more than his share waits; who goes away meanwhile is forgotten."""
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site) as gate:
        cookie = {**BROWSER, "Cookie": cookie_of(gate.ask("/"))}
        request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + "".join(f"{k}: {v}\r\n" for k, v in cookie.items()) + "\r\n"

        def visit(patience):
            with socket.create_connection(("127.0.0.1", gate.port)) as s:
                s.settimeout(patience)
                s.sendall(request.encode())
                with contextlib.suppress(TimeoutError):
                    if s.recv(65536).startswith(b"HTTP/1.1 429"):
                        time.sleep(0.5)
            return gate.log("access")
        press(gate, lambda s: strangers_out(s) and s["share"] is not None and s["share"] <= 1)
        gate.wait_for(lambda: " 499 [slow] [share] [" in visit(0.09), "one that leaves while he waits", 60)
        gate.wait_for(lambda: " 200 [slow] [share] [" in visit(20 * SLOW), "one that waits", 60)


def watch():
    http_part = Nginx.HTTP.replace("khien on", "khien watch")
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, http_part=http_part) as gate:
        same(gate.status()["mode"], "watch")
        gate.lists(block("127.0.0.2"))
        answer = gate.ask("/", source="127.0.0.2")
        same((answer.status, cookie_of(answer), cookie_of(gate.ask("/"))), (200, None, None))
        same(gate.status()["verdicts"]["drop"], 1)
        gate.logs("200 [drop] [blocked]")
        press(gate, strangers_out)
        answer = gate.ask("/", source="127.0.2.1")
        same((answer.status, answer.headers["Khien-Id"]), (200, None))
        true(gate.status()["verdicts"]["deny"] > 0, "nothing was recorded")


def waf():
    if not os.path.exists(f"{MODULES}/ngx_http_modsecurity_module.so"):
        harness.skip("libnginx-mod-http-modsecurity isn't installed")
    servers = ("server {{ listen 127.0.0.1:{port}; modsecurity on; modsecurity_rules '\nSecRuleEngine On\n"
               'SecRule ARGS "@detectSQLi" "id:1,phase:2,deny,status:403"\n\'; location / {{ proxy_pass http://127.0.0.1:{site}; }} }}')
    main = f"load_module {MODULES}/ngx_http_modsecurity_module.so;\n"
    evil = "/?id=1%27%20OR%20%271%27=%271%20--"
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, servers=servers, main=main) as gate:
        same((gate.ask(evil).status, gate.ask("/?id=1").status), (403, 200))
        gate.wait_for(lambda: "waf" in [e["kind"] for e in gate.control("/events?after=0")[1]["events"]], "an event of the WAF's refusal")
        gate.lists(block("127.0.0.2"))
        before = gate.log("error").count("ModSecurity: Access denied")
        same((before > 0, dropped(gate, "127.0.0.2", path=evil)), (True, "dropped"))
        same(gate.log("error").count("ModSecurity: Access denied"), before)
        press(gate, strangers_out)
        same(gate.ask(evil, source="127.0.2.1").status, 429)
        same(gate.log("error").count("ModSecurity: Access denied"), before)
        true(all("OR" not in path for _, path in site.seen), "it reached the site")


def realip():
    http_part = Nginx.HTTP + "set_real_ip_from 127.0.0.5; set_real_ip_from unix:; real_ip_header X-Forwarded-For;"
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, http_part=http_part) as gate:
        gate.lists(block("203.0.113.7"), block("2001:db8::7"))
        for source, forwarded, what in (("127.0.0.5", "203.0.113.7", "dropped"), ("127.0.0.5", "2001:db8::7", "dropped"), ("127.0.0.5", "203.0.113.8", "answered"),
                                        ("127.0.0.6", "203.0.113.7", "answered"), ("127.0.0.5", "203.0.113.7, 203.0.113.8", "answered")):
            same((forwarded, dropped(gate, source, headers={"X-Forwarded-For": forwarded})), (forwarded, what))
        same(gate.status()["reasons"]["blocked"], 2)
        raw = Unix(f"{gate.folder}/control")  # control is never asked about, whoever it says it is
        raw.request("GET", "/status", headers={"X-Forwarded-For": "203.0.113.7"})
        same(raw.getresponse().status, 200)
        raw.close()


def redirects():
    """An internal redirection isn't a second request, and its verdict stays known."""
    servers = ("server {{ listen 127.0.0.1:{port}; error_page 404 /lost; location = /lost {{ return 200 'lost $khien_verdict'; }} "
               "location /inside {{ try_files /none @site; }} location @site {{ proxy_pass http://127.0.0.1:{site}; }} "
               "location /gone {{ return 404; }} location /asks {{ auth_request /may; proxy_pass http://127.0.0.1:{site}; }} "
               "location = /may {{ internal; proxy_pass http://127.0.0.1:{site}; }} }}")
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, servers=servers) as gate:
        same(gate.ask("/gone").text, "lost pass")
        same((gate.ask("/inside").status, gate.ask("/asks").status), (200, 200))
        true(cookie_of(gate.ask("/inside")), "no pass after try_files")
        s = gate.status()
        same((s["asked"], s["verdicts"]["pass"], s["passes_given"]), (4, 4, 4))
        gate.wait_for(lambda: gate.log("access").count("[pass]") == 4, "four lines of log")


# --- TLS ---


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/tls.key", "-out",
                    f"{folder}/tls.crt", "-subj", "/CN=a.example", "-days", "2"], check=True, capture_output=True)


def tls():
    if not have("curl") or not have("openssl"):
        harness.skip("curl or openssl isn't installed")
    servers = Nginx.SERVER + ("server {{ listen 127.0.0.1:{tls} ssl http2; ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key; "
                              "location = /print {{ return 200 '$khien_fingerprint $ssl_session_reused'; }} location / {{ proxy_pass http://127.0.0.1:{site}; }} }}")
    with harness.Scratch() as scratch, Site() as site:
        gate = Nginx(scratch, site, servers=servers, start=False)
        certificate(gate.folder)
        with gate:
            gate.start()
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            prints, session = [], None
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context.maximum_version = version
                with socket.create_connection(("127.0.0.1", gate.tls_port)) as plain, context.wrap_socket(plain, session=session, server_hostname="a.example") as s:
                    for _ in range(2):  # a connection that is kept
                        s.sendall(b"GET /print HTTP/1.1\r\nHost: a.example\r\n\r\n")
                        text = s.recv(65536).decode().partition("\r\n\r\n")[2]
                    prints.append(text.split(" "))
                    session = s.session if version == ssl.TLSVersion.TLSv1_2 else None
            true(all(re.fullmatch("t1[23]d[0-9]{4}00_[0-9a-f]{12}_[0-9a-f]{12}", one[0]) for one in prints), prints)
            same((prints[0][0][:3], prints[1], prints[2][0][:3]), ("t12", [prints[1][0], "r"], "t13"))

            def curl(path, *words, source="127.0.0.1"):
                done = subprocess.run(["curl", "-sk", "--http2", "--interface", source, "-o", "-", "-w", "\n%{http_code} %{http_version}", *words,
                                       f"https://127.0.0.1:{gate.tls_port}{path}"], capture_output=True, text=True, check=False, timeout=60)
                return done.returncode, done.stdout
            code, text = curl("/print")
            true(code == 0 and re.match("t13[id][0-9]{4}h2_", text) and text.endswith("200 2"), text)
            code, text = curl("/", "-i", "-H", "Accept: text/html")
            true("khien_pass=" in text and "; Secure" in text, text)
            same(gate.ask("/").status, 200)
            gate.logs("200 [pass] [free] [] [] GET / HTTP/1.1")
            gate.lists(block("127.0.0.2"))
            true(curl("/", source="127.0.0.2")[0] != 0, "HTTP/2 isn't dropped")
            same(curl("/")[1][-5:], "200 2")
            press(gate, strangers_out)
            code, text = curl("/", "-H", "Accept: text/html", "-H", "Accept-Language: zh", source="127.0.2.1")
            true(code == 0 and PAGE["zh"] in text and text.endswith("429 2"), text)
            code, text = curl("/", "-d", "x" * 100000, source="127.0.2.1")
            true(code == 0 and text.endswith("429 2"), text)


# --- its life ---


def open_requests(gate, n, path="/?wait=30"):
    sockets = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", gate.port))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        sockets.append(s)
    return sockets


def killed():
    """What a killed worker had open is forgotten; the next one works."""
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, workers=1) as gate:
        sockets = open_requests(gate, 20)
        gate.wait_for(lambda: gate.status()["busy"] > 0.1, "open requests are seen")
        asked, zone = gate.status()["asked"], gate.status()["zone"]
        for pid in gate.workers():
            os.kill(pid, signal.SIGKILL)
        gate.wait_for(lambda: gate.workers() and gate.answers(), "a new worker")
        gate.wait_for(lambda: gate.status()["busy"] == 0, "nothing is open")
        same((gate.status()["asked"], gate.status()["zone"]), (asked, zone))
        same(gate.ask("/").status, 200)
        for s in sockets:
            s.close()
        # and who only goes away leaves nothing open either
        sockets = open_requests(gate, 20)
        gate.wait_for(lambda: gate.status()["busy"] > 0.1, "open requests are seen")
        for s in sockets:
            s.close()
        gate.wait_for(lambda: gate.status()["busy"] == 0, "nothing is open")


def streams():
    """What stays open while somebody looks at it isn't work for the site."""
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site) as gate:
        streaming = open_requests(gate, 20, "/stream?open=30&type=text/event-stream")
        gate.wait_for(lambda: len(site.seen) == 20, "all are asked for")
        gate.wait_for(lambda: gate.status()["busy"] == 0, "streams aren't counted")
        others = open_requests(gate, 20, "/stream?open=30")
        gate.wait_for(lambda: gate.status()["busy"] > 0.1, "what isn't a stream is")
        for s in streaming + others:
            s.close()


def reloads():
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site) as gate:
        gate.ask("/")
        zone, stop, wrong = gate.status()["zone"], [], []

        def visits():
            n = 0
            while not stop:
                try:
                    status = gate.ask("/").status
                    if status != 200:
                        wrong.append(status)
                except OSError as error:
                    wrong.append(error)
                n += 1
            return n

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            visitors = [pool.submit(visits) for _ in range(4)]
            try:
                for _ in range(3):
                    gate.reload()
            finally:
                stop.append(True)
            n = sum(v.result() for v in visitors)
        same(wrong, [])
        s = gate.status()
        same((s["zone"], s["asked"], s["verdicts"]["pass"]), (zone, n + 1, n + 1))
        # an old worker that still has requests and the new ones don't count in each other's place
        held = open_requests(gate, 10, "/?wait=3")
        gate.wait_for(lambda: gate.status()["busy"] > 0.1, "open requests are seen")
        gate.process.send_signal(signal.SIGHUP)
        gate.wait_for(lambda: len(gate.workers()) == 4, "old and new workers")
        true(gate.status()["busy"] > 0.1, "new workers forgot what old ones have open")
        for s in held:
            true(s.recv(65536).startswith(b"HTTP/1.1 200"), "a request was lost")
            s.close()
        gate.wait_for(lambda: gate.status()["busy"] == 0, "nothing is open")


def orphans():
    with harness.Scratch() as scratch, Site() as site, Nginx(scratch, site, http_part=Nginx.HTTP + "khien_dies_with_master;") as gate:
        workers = gate.workers()
        gate.process.kill()
        gate.process.wait()
        gate.wait_for(lambda: not any(map(runs, workers)), "workers end with their master")


def flood():
    """A site that bears little, bots from twenty addresses, and one patient among them, who has his pass."""
    with harness.Scratch() as scratch, Site(delay=0.05, at_once=2) as site, Nginx(scratch, site) as gate:
        patient = {**BROWSER, "Cookie": cookie_of(gate.ask("/"))}
        stop = []

        def bot(i):
            said = {}
            while not stop:
                try:
                    status = gate.ask(f"/find?{i}", source=f"127.0.3.{i + 1}", headers={"User-Agent": "bot"}).status
                except (OSError, http.client.HTTPException):
                    status = 0
                said[status] = said.get(status, 0) + 1
                time.sleep(0.02)
            return said

        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            bots = [pool.submit(bot, i % 20) for i in range(60)]
            try:
                end = time.monotonic() + 40 * SLOW
                while sum(gate.status()["verdicts"][name] for name in ("deny", "drop")) < 200:
                    true(time.monotonic() < end, f"never strict: {gate.status()}")
                    time.sleep(0.1)
                said = []
                for _ in range(10):
                    said.append(gate.ask("/book", headers=patient).status)
                    time.sleep(0.1)
            finally:
                stop.append(True)
            turned = sum(n for b in bots for status, n in b.result().items() if status in (0, 429))
        same(said, [200] * 10)
        s = gate.status()
        true(turned > 0 and s["verdicts"]["deny"] + s["verdicts"]["drop"] > 0, s)
        kinds = [e["kind"] for e in gate.control("/events?after=0")[1]["events"]]
        true("strict" in kinds, kinds)


TESTS = [directives, without_zone, passes, no_pass, counts, lists, control, pages, slow, watch, waf, realip, redirects, tls, killed, streams, reloads, orphans, flood]


def main():
    names = [word for word in sys.argv[1:] if "/" not in word]
    for test in TESTS:
        if not names or test.__name__ in names:
            test()
            print(f"ok {test.__name__}", flush=True)


if __name__ == "__main__":
    main()
