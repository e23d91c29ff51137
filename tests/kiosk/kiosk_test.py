#!/usr/bin/python3
"""khien kiosk as people meet it, over SQLite and over PostgreSQL; and kills while they book: kiosk_test.py PROGRAM [NAME...]"""
import http.client
import http.server
import json
import os
import re
import signal
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import name_of, processes  # noqa: E402
from running import SLOW, WORDS, Kiosk, Postgres, Program, Visitor, free_ports, harness  # noqa: E402

KILLS, BOOKERS = int(os.environ.get("KHIEN_KILLS", "10")), 6


def check(right, what):
    if not right:
        raise AssertionError(what)


def code_of(visitor):
    return re.search(r"[0-9A-Z]{5}-[0-9A-Z]{5}", visitor.page.text)[0]


# --- a day ---

def patient(kiosk):
    """Books, pays, looks the ticket up, cancels it; nobody else can."""
    day = kiosk.days()[1]
    visitor = kiosk.visitor().book(day, phone="0900011111")
    check(visitor.status == 200 and visitor.path == "/ticket", f"no ticket: {visitor.status} {visitor.text[:800]}")
    code, number = code_of(visitor), re.search(r"A\d{3}", visitor.page.text)[0]
    check("0900011111" not in visitor.text and "Nguyễn Thử" not in visitor.text, "the ticket shows the whole name or number")
    ref, seen = next(iter(kiosk.bookings(day).items()))
    check(seen["label"] == number and seen["name"] == "Nguyễn Thử Nghiệm", f"the counter sees {seen}")

    check(kiosk.pay(seen["payment"], 1) == 200, "the webhook is refused")
    check(kiosk.pay(seen["payment"], 1) == 200, "and when it comes again")
    paid = kiosk.bookings(day)[ref]["payment"]
    check(paid["state"] == "paid" and paid["paid"] == 150000, f"paid twice by one notice: {paid}")

    other = kiosk.visitor().get("/find").submit("/find", code=code, phone="0900022222")
    check(number not in other.page.text, "found with somebody else's phone")
    other = kiosk.visitor().get("/find").submit("/find", code=code.lower().replace("-", " "), phone="+84 900 011 111")
    check(number in other.page.text, f"not found: {other.page.text[:500]}")
    other.submit("/cancel")
    state = kiosk.ask("lookup", code=code, phone="0900011111")["state"]
    check(state == "cancelled" and ref not in kiosk.bookings(day), f"it is {state}: {other.status} {other.page.text[:500]}")
    check(kiosk.visitor().request("GET", "/cancel").status == 405, "a GET can cancel")


def counter(kiosk):
    """Signs in, gives a number to who comes without, calls, and the board shows it."""
    clerk = kiosk.visitor().get("/staff/sign-in").submit("/staff/sign-in", login="quay1", password="wrong password")
    check(clerk.get("/staff/room/1").path != "/staff/room/1" or clerk.status != 200, "in with a wrong password")
    clerk.get("/staff/sign-in").submit("/staff/sign-in", login="quay1", password=WORDS["clerk"])
    check(clerk.path == "/staff", f"not signed in: {clerk.status} {clerk.page.text[:300]}")
    clerk.get("/staff/walk-in/1").submit("/staff/walk-in", name="Lê Tự Đến", phone="", born="")
    waiting = kiosk.ask("waiting", room=1)["waiting"]
    check(len(waiting) == 1, f"waiting: {waiting}; {clerk.status} {clerk.page.text[:400]}")
    clerk.get("/staff/room/1").submit("/staff/next")
    called = kiosk.ask("waiting", room=1)["called"]
    check([c["label"] for c in called] == [waiting[0]["label"]], f"called: {called}")
    end, board = time.monotonic() + 5 * SLOW, kiosk.visitor()
    while waiting[0]["label"] not in board.get("/board").page.text:
        check(time.monotonic() < end, f"the board shows {board.page.text[:600]}")
        time.sleep(0.1)
    check("Lê Tự" not in board.text, "the board shows a name")
    check(clerk.get("/admin").status in (403, 404) or clerk.path != "/admin", "a clerk is let into the admin's pages")


def refused(kiosk):
    """What nobody may: forged webhooks, forms without their token, calls of the staff from outside."""
    visitor = kiosk.visitor().get(f"/s/1/{kiosk.days()[2]}")
    form = visitor.form("/book")
    form.update(token="x" * len(form["token"]), name="A B", phone="0900033333", born="1980")
    check(visitor.request("POST", "/book", "&".join(f"{k}={v}" for k, v in form.items())).path != "/ticket", "booked with a forged form")
    check(kiosk.visitor().request("POST", "/hook/sepay", "{}").status in (400, 401, 403), "an unsigned webhook is taken")
    check(kiosk.visitor().get("/metrics").status in (401, 403, 404), "metrics without a token")
    done = kiosk.job("first", "second", stdin=b"one more password\n")
    check(done.status == 1 and "already" in done.err, f"a second first admin: {done}")


def flood(kiosk):
    """One address sends as many bookings in an hour as the admin says; a proxy names whose it is."""
    kiosk.ask("set", values={"per_address": "1"})
    status, end = 0, time.monotonic() + 10 * SLOW
    while status != 429:
        check(time.monotonic() < end, f"it takes whatever one address sends: {status}")
        status = posts_from("192.0.2.9", kiosk.port)
        time.sleep(0.1)
    check([posts_from(f"192.0.2.{i}", kiosk.port) for i in (10, 10)] == [403, 429], "another address")
    kiosk.ask("set", values={"per_address": "300"})


def posts_from(address, port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * SLOW)
    connection.request("POST", "/book", "", {"X-Forwarded-For": address})
    status = connection.getresponse().status
    connection.close()
    return status


def day(scratch, database):
    with Kiosk(scratch, database=database) as kiosk:
        kiosk.hospital()
        for act in (patient, counter, refused, flood):
            act(kiosk)
        done = kiosk.job("status")
        check(done.status == 0 and b"single" in done.out, f"status: {done}")
        check(kiosk.visitor().get("/healthz").text.strip() == "ok", "it isn't well")
        names = {"khien: kiosk-ke", "khien: kiosk-fr"}
        for name in names:
            check(kiosk.part(name), f"no {name}")
        check(kiosk.stop() == 0, f"it ended badly: {kiosk.said}")
    # what stands in the database and in the log is nobody's
    for folder, _, files in os.walk(scratch.path("kiosk")):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:  # the socket is gone with the kiosk
                check("Nguyễn Thử".encode() not in file.read(), f"a name in {name}")
    check(not any("Nguyễn" in line or "0900011111" in line for line in kiosk.said), "a name in the log")


# --- TLS ---

def tls(scratch, database):
    """Its certificate comes of the hub's CA on the machine, or of files, which are read anew when they were changed."""
    hub, port = scratch.path("hub"), free_ports()[0]
    done = scratch.khien("ca", "init", "--data", hub)
    check(done.status == 0, f"no CA: {done}")
    listen = "  tls: { names: [localhost, 127.0.0.1] }\n"
    with Kiosk(scratch, "--https", f"127.0.0.1:{port}", database=database, more_config=f"{listen}hub:\n  data: {hub}\n") as kiosk:
        kiosk.hospital()
        check("Children" in over_tls(port, hub), "no page over TLS")
        kiosk.stop()
    own = scratch.path("kiosk", "pki")
    files = f"  tls: {{ certificate: {own}/hub.crt, key: {own}/hub.key }}\n"
    with Kiosk(scratch, "--https", f"127.0.0.1:{port}", database=database, more_config=files) as kiosk:
        check("Children" in over_tls(port, hub), "no page with a certificate of files")


def over_tls(port, hub):
    context = ssl.create_default_context(cafile=os.path.join(hub, "pki", "ca.crt"))
    connection = http.client.HTTPSConnection("localhost", port, timeout=20 * SLOW, context=context)
    connection.request("GET", "/", headers={"Accept-Language": "en"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return text


# --- the hospital's own system ---

class Hospital(threading.Thread):
    """A FHIR server that takes appointments; what it was sent."""

    def __init__(self):
        super().__init__(daemon=True)
        hospital, self.taken = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):  # pylint: disable=invalid-name
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hospital.taken.append((self.path, self.headers["Authorization"], body))
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def run(self):
        self.server.serve_forever()


def hospital(scratch, database):
    """Bookings go to the hospital's server as appointments, each with its token; cancelled ones too."""
    his = Hospital()
    his.start()
    token = scratch.write("hospital.token", "a-token-of-the-hospital\n")
    more = f"  hospital: {{ url: 'http://127.0.0.1:{his.port}/fhir/', token_file: {token} }}\n"
    with Kiosk(scratch, database=database, more_config=more) as kiosk:
        kiosk.hospital()
        visitor = kiosk.visitor().book(kiosk.days()[1], phone="0900044444")
        end = time.monotonic() + 20 * SLOW
        while not his.taken:
            check(time.monotonic() < end, f"the hospital hears nothing: {kiosk.said[-5:]} {kiosk.ask('outbox', n=5)}")
            time.sleep(0.05)
        visitor.get("/ticket").submit("/cancel")
        while his.taken[-1][2]["status"] != "cancelled":
            check(time.monotonic() < end, f"not told that it was cancelled: {his.taken}")
            time.sleep(0.05)
        check(all(a == "Bearer a-token-of-the-hospital" for _, a, _ in his.taken), "without its token")
        refs = {i["value"] for _, _, body in his.taken for i in body["identifier"]}
        check(len(refs) == 1 and all(path == "/fhir/Appointment?identifier=urn%3Akhien%3Akiosk%3Abooking%7C" + next(iter(refs))
                                     for path, _, _ in his.taken), f"not where it belongs: {[p for p, _, _ in his.taken]}")
        while kiosk.ask("outbox", n=5)["waiting"]:
            check(time.monotonic() < end, f"sent, and still waiting: {kiosk.ask('outbox', n=5)}")
            time.sleep(0.05)
        check(kiosk.stop() == 0, f"it ended badly: {kiosk.said}")


def password(scratch, database):
    """PGPASSWORD is the keeper's, and whose child it is; who serves, dials or sends has it no more."""
    ports = free_ports(4)
    env = {**scratch.env(), "PGPASSWORD": "a-password-of-the-database"}
    standby = f"{{ listen: '127.0.0.1:{ports[0]}', peer: '127.0.0.1:{ports[1]}', name: one, register: '127.0.0.1:{ports[2]}' }}"
    with Kiosk(scratch, database=database, standby=standby, env=env,
               more_config=f"  hospital: {{ url: 'http://127.0.0.1:{ports[3]}/fhir/' }}\n") as kiosk:
        parts, end = {}, time.monotonic() + 20 * SLOW
        while not {"khien: kiosk-fr", "khien: kiosk-ke", "khien: kiosk-li", "khien: kiosk-co"} <= set(parts):
            check(time.monotonic() < end, f"not all are here: {parts}")
            time.sleep(0.1)
            parts = {name_of(pid): pid for pid in processes(kiosk.process.pid)}
        having = set()
        for name, pid in parts.items():
            with open(f"/proc/{pid}/environ", "rb") as file:
                if b"a-password-of-the-database" in file.read():
                    having.add(name)
        check(having == {name_of(kiosk.process.pid), "khien: kiosk-ke"}, f"the password is with {having}")


# --- kills ---

class Booker(threading.Thread):
    """Books one place after the other; what was confirmed to it, it remembers."""

    def __init__(self, kiosk, number, days):
        super().__init__(daemon=True)
        self.kiosk, self.number, self.days = kiosk, number, days
        self.confirmed, self.failed, self.ended, self.wrong = [], 0, False, None

    def run(self):
        n = 0
        while not self.ended:
            n += 1
            try:
                self._one(n)
            except OSError:
                self.failed += 1
                time.sleep(0.02)
            except Exception as wrong:  # pylint: disable=broad-except
                self.wrong = wrong
                return

    def _one(self, n):
        phone = f"0900{self.number:02}{n:04}"
        day = self.days[n % len(self.days)]
        visitor = self.kiosk.visitor().get(f"/s/1/{day}")
        if visitor.status != 200:
            self.failed += 1
            return
        form = visitor.form("/book")
        # whoever got no answer sends the same form again, and gets the same ticket
        for _ in range(200):
            try:
                visitor.submit("/book", slot=form["slot"], name="Bùi Thử", phone=phone, born="1990")
                break
            except OSError:
                self.failed += 1
                if self.ended:
                    return
                time.sleep(0.05)
                visitor = self._again(visitor)
        if visitor.path == "/ticket" and visitor.status == 200:
            self.confirmed.append((day, phone, code_of(visitor), re.search(r"[AB]\d{3}", visitor.page.text)[0]))

    def _again(self, visitor):
        again = self.kiosk.visitor()
        again.cookies, again.page, again.path, again.status = dict(visitor.cookies), visitor.page, visitor.path, 0
        return again


def kill_one(kiosk, postgres, turn):
    """The front, the keeper, the database, the whole kiosk, in turn."""
    if postgres and turn % 3 == 2:
        postgres.kill()
        time.sleep(0.2)
        postgres.start()
        return
    names = ("khien: kiosk-fr", "khien: kiosk-ke")
    try:
        os.kill(kiosk.part(names[turn % 2]), signal.SIGKILL)
    except (StopIteration, ProcessLookupError):
        pass  # it is just being started


def compare(kiosk, bookers, days):
    """Nothing confirmed is lost; no number was given twice."""
    confirmed = [c for b in bookers for c in b.confirmed]
    there = {}
    for day in days:
        numbers = set()
        for b in kiosk.bookings(day).values():
            check((b["room"], b["number"]) not in numbers, f"number {b['label']} of {day} was given twice")
            numbers.add((b["room"], b["number"]))
            there.setdefault((day, b["phone"]), []).append(b["label"])
    for day, phone, code, label in confirmed:
        check(label in there.get((day, phone), []), f"{label} of {phone} was confirmed and is lost")
        check(len(there[(day, phone)]) == 1, f"{phone} has {there[(day, phone)]}: booked twice by one form")
        found = kiosk.ask("lookup", code=code, phone=phone)
        check(found.get("label") == label, f"{code} finds {found}")
    return len(confirmed)


def kills(scratch, database, postgres=None):
    with Kiosk(scratch, database=database) as kiosk:
        kiosk.hospital(places=200)
        days = kiosk.days()[1:5]
        bookers = [Booker(kiosk, i, days) for i in range(BOOKERS)]
        for b in bookers:
            b.start()
        for turn in range(KILLS):
            before = sum(len(b.confirmed) for b in bookers)
            end = time.monotonic() + 20 * SLOW
            while sum(len(b.confirmed) for b in bookers) < before + 5:
                check(time.monotonic() < end, f"after {turn} kills nobody books any more: {kiosk.said[-6:]}; {[b.wrong for b in bookers]}")
                time.sleep(0.02)
            kill_one(kiosk, postgres, turn)
        for b in bookers:
            b.ended = True
        for b in bookers:
            b.join(30 * SLOW)
            check(b.wrong is None, f"{b.wrong}")
        kiosk.answers()
        n = compare(kiosk, bookers, days)
        print(f"  {KILLS} kills, {n} confirmed, {sum(b.failed for b in bookers)} connections cut")
        kiosk.stop(signal.SIGKILL)
    with Kiosk(scratch, database=database) as kiosk:
        compare(kiosk, bookers, days)


# --- two kiosks ---

def pair(scratch, database=None):
    """A standby has what was confirmed; it is promoted when the primary is gone, and who comes back is refused."""
    ports = free_ports(3)
    first, second, register = (f"127.0.0.1:{p}" for p in ports)
    with Kiosk(scratch, name="one", database=database and database("one"),
               standby=f"{{ listen: '{first}', peer: '{second}', name: one, register: '{register}' }}", wait=False) as one:
        one.says("event=ready")
        with Register(scratch, one, register), \
             Kiosk(scratch, name="two", key=one.key(), database=database and database("two"),
                   standby=f"{{ listen: '{second}', peer: '{first}', name: two, role: standby, register: '{register}' }}") as two:
            one.becomes("paired")
            two.becomes("follows")
            one.hospital(places=200)
            day = one.days()[1]
            booker = Booker(one, 1, [day])
            booker.start()
            while len(booker.confirmed) < 6:
                check(booker.wrong is None, f"{booker.wrong} {one.said[-4:]}")
                time.sleep(0.02)
            refused_at = two.visitor().book(day, phone="0900099999")
            check(refused_at.path != "/ticket", "a standby takes bookings")
            one.stop(signal.SIGKILL)
            booker.ended = True
            booker.join(20)
            done = two.job("promote")
            check(done.status == 0, f"not promoted: {done}")
            two.becomes("alone")
            compare(two, [booker], [day])
            after = two.visitor().book(day, phone="0900088888")
            check(after.path == "/ticket", f"who was promoted takes none: {after.status} {after.page.text[:900]}")
            label = re.search(r"[AB]\d{3}", after.page.text)[0]
            check(label not in [c[3] for c in booker.confirmed], f"{label} was given twice")
            with Kiosk(scratch, name="one", port=one.port, database=database and database("one"),
                       standby=f"{{ listen: '{first}', peer: '{second}', name: one, register: '{register}' }}") as back:
                check(back.becomes("stale", "catches-up", "follows", "waiting"), "?")
                late = back.visitor().book(day, phone="0900077777")
                check(late.path != "/ticket", "who was replaced still takes bookings")
                back.becomes("stale")
                done = back.job("rejoin")
                check(done.status == 0, f"it may not rejoin: {done}")
                back.becomes("follows", seconds=30)
                two.becomes("paired")
                compare(back, [booker], [day])


def pair_kills(scratch, database=None):
    """Whatever is killed of two kiosks and their register while people book: what was confirmed is in the one that is promoted."""
    ports = free_ports(3)
    first, second, register = (f"127.0.0.1:{p}" for p in ports)
    with Kiosk(scratch, name="one", standby=f"{{ listen: '{first}', peer: '{second}', name: one, register: '{register}' }}") as one, \
         Register(scratch, one, register), \
         Kiosk(scratch, name="two", key=one.key(),
               standby=f"{{ listen: '{second}', peer: '{first}', name: two, role: standby, register: '{register}' }}") as two:
        one.becomes("paired")
        one.hospital(places=200)
        days = one.days()[1:5]
        bookers = [Booker(one, i, days) for i in range(3)]
        for b in bookers:
            b.start()
        victims = [(two, "khien: kiosk-li"), (one, "khien: kiosk-li"), (two, "khien: kiosk-ke"), (one, "khien: kiosk-ke"), (one, "khien: kiosk-fr")]
        for turn in range(KILLS // 2):
            before = sum(len(b.confirmed) for b in bookers)
            end = time.monotonic() + 30 * SLOW
            while sum(len(b.confirmed) for b in bookers) < before + 4:
                check(time.monotonic() < end, f"after {turn} kills nobody books any more: {one.said[-6:]} {two.said[-6:]}")
                time.sleep(0.02)
            kiosk, part = victims[turn % len(victims)]
            try:
                os.kill(kiosk.part(part), signal.SIGKILL)
            except (StopIteration, ProcessLookupError):
                pass
        one.becomes("paired", seconds=40)
        two.becomes("follows", seconds=40)
        one.stop(signal.SIGKILL)
        for b in bookers:
            b.ended = True
        for b in bookers:
            b.join(30 * SLOW)
            check(b.wrong is None, f"{b.wrong}")
        done = two.job("promote")
        check(done.status == 0, f"not promoted: {done}")
        two.becomes("alone")
        print(f"  {KILLS // 2} kills, {compare(two, bookers, days)} confirmed")


class Register(Kiosk):
    """`khien kiosk register`, with the key of a kiosk."""

    def __init__(self, scratch, kiosk, address):  # pylint: disable=super-init-not-called
        data = scratch.path("register")
        done = kiosk.job("register", "--print-key")
        check(done.status == 0, f"no key: {done}")
        os.makedirs(data)
        with open(os.open(os.path.join(data, "register.key"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(done.out)
        super(Kiosk, self).__init__(scratch, [harness.KHIEN, "kiosk", "register", "--data", data, "--listen", address])


# --- all ---

def over_sqlite(act):
    with harness.Scratch() as scratch:
        act(scratch, None)


def over_postgres(act, **more):
    with Postgres() as postgres, harness.Scratch() as scratch:
        more = {k: postgres for k in more}
        act(scratch, postgres.database("kiosk"), **more)


def mixed_pair():
    """One over PostgreSQL, its standby over SQLite: both come to the same rows."""
    with Postgres() as postgres, harness.Scratch() as scratch:
        pair(scratch, {"one": postgres.database("one")}.get)


def backup(scratch, database):
    """A copy made while it runs is the same kiosk again, over the other engine too; half of one isn't taken."""
    with Kiosk(scratch, database=database) as kiosk:
        kiosk.hospital()
        day = kiosk.days()[1]
        ticket = kiosk.visitor().book(day, phone="0900066666")
        code, key = code_of(ticket), kiosk.key()
        done = scratch.khien("kiosk", "backup", "--config", kiosk.config)
        check(done.status == 0 and b"booking" in done.out, f"no backup: {done.err}")
        check("Nguyễn Thử".encode() not in done.out and b"0900066666" not in done.out, "a name in the backup")
        running = scratch.khien("kiosk", "restore", "--config", kiosk.config, stdin=done.out)
        check(running.status == 2 and "end it first" in running.err, f"restored while it runs: {running}")
    with Kiosk(scratch, name="again", key=key) as again:
        again.stop()
    for copy, wanted in ((done.out[: len(done.out) // 2], 2), (done.out, 0)):
        status = scratch.khien("kiosk", "restore", "--data", again.data, stdin=copy)
        check(status.status == wanted, f"restored: {status}")
    with Kiosk(scratch, name="again") as again:
        found = again.ask("lookup", code=code, phone="0900066666")
        check(found.get("day") == day and again.bookings(day)[found["ref"]]["name"] == "Nguyễn Thử Nghiệm", f"lost: {found}")
        check(again.visitor().book(day, phone="0900066667").path == "/ticket", "it takes no bookings any more")


def demo():
    """A hospital that says of itself that it is none, and that touches nobody else's folder."""
    with harness.Scratch() as scratch:
        with Kiosk(scratch, name="real") as real:
            real.hospital()
        done = scratch.khien("kiosk", "--demo", "--data", real.data)
        check(done.status == 2 and "no demo" in done.err, f"over a real one: {done}")
        port, data = free_ports()[0], scratch.path("demo")
        words = [harness.KHIEN, "kiosk", "--demo", "--data", data, "--http", f"127.0.0.1:{port}"]
        with Program(scratch, words) as program:
            program.says("event=demo-filled", seconds=120)
            said = next(line for line in program.said if "event=demo " in line)
            visitor = Visitor(port)
            for path in ("/", "/board", "/find", "/staff/sign-in"):
                check("A demonstration" in visitor.get(path).page.text, f"{path} doesn't say that it is a demo")
            check(re.search(r"[A-L]\d{3}", visitor.get("/board").page.text), "nobody is called")
            password = re.search(r"clerk_password=(\w+)", said)[1]
            visitor.get("/staff/sign-in").submit("/staff/sign-in", login="quay1", password=password)
            check(visitor.path == "/staff", f"the clerk isn't let in: {visitor.status}")
            check(program.stop() == 0, f"it ended badly: {program.said[-5:]}")


TESTS = {
    "day": lambda: over_sqlite(day),
    "day-postgresql": lambda: over_postgres(day),
    "tls": lambda: over_sqlite(tls),
    "hospital": lambda: over_sqlite(hospital),
    "password": lambda: over_sqlite(password),
    "backup": lambda: over_sqlite(backup),
    "backup-postgresql": lambda: over_postgres(backup),
    "kills": lambda: over_sqlite(kills),
    "kills-postgresql": lambda: over_postgres(kills, postgres=True),
    "pair": lambda: over_sqlite(pair),
    "pair-postgresql": mixed_pair,
    "demo": demo,
    "pair-kills": lambda: over_sqlite(pair_kills),
}


def main():
    harness.need_program()
    for name in sys.argv[1:] or TESTS:
        began = time.monotonic()
        TESTS[name]()
        print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
