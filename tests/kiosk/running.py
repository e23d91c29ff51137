"""A kiosk that runs, for the tests beside this file; who visits it; and PostgreSQL from Debian's package."""
import hashlib
import hmac
import html.parser
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, Program, free_ports, harness, processes  # noqa: E402, F401  # pylint: disable=unused-import

POSTGRES = "/usr/lib/postgresql/15/bin"
SECRET = "tests-secret-of-a-bank-that-there-is-not"
WORDS = {"first": "a password for tests", "clerk": "another password"}
HEAD = struct.Struct("=IiQQQ")
CALL, ANSWER = 1, 2


class Postgres:
    """A server of its own on a socket in a temporary folder. Skips the test where Debian's package isn't there."""

    def __init__(self):
        if not os.access(f"{POSTGRES}/postgres", os.X_OK):
            harness.skip("postgresql-15 isn't installed")
        self.root = os.geteuid() == 0
        self.folder = tempfile.mkdtemp(prefix="khien-kiosk-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        if self.root:
            os.chown(self.folder, pwd.getpwnam("nobody").pw_uid, -1)
        os.chmod(self.folder, 0o711)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "kiosk", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        self.process = None
        self.start()

    def _as(self):
        return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if self.root else {}

    def _run(self, program, *words):
        subprocess.run([f"{POSTGRES}/{program}", *words], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._as())

    def start(self):
        self.process = subprocess.Popen(
            [f"{POSTGRES}/postgres", "-D", f"{self.folder}/data", "-k", self.folder, "-c", "listen_addresses=", "-c", "fsync=off",
             "-c", "shared_buffers=16MB", "-c", "max_connections=20"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, **self._as())
        end = time.monotonic() + 30 * SLOW
        while subprocess.run([f"{POSTGRES}/pg_isready", "-q", "-h", self.folder], check=False).returncode:
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError("PostgreSQL doesn't start")
            time.sleep(0.05)

    def kill(self):
        """All of it at once, as when the machine it runs on stops."""
        for pid in reversed(processes(self.process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def database(self, name):
        self._run("createdb", "-h", self.folder, "-U", "kiosk", name)
        return f"postgresql://kiosk@/{name}?host={self.folder}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Kiosk(Program):
    """`with Kiosk(scratch) as kiosk:`; the same name in the same scratch folder is the same kiosk started again."""

    def __init__(self, scratch, *words, name="kiosk", port=None, database=None, standby="", key=None, more_config="", **more):
        self.data = scratch.path(name)
        self.port = port or free_ports()[0]
        os.makedirs(self.data, exist_ok=True)
        self._secret("hook-sepay", SECRET.encode())
        if key:
            self._secret("key", key)
        text = f"kiosk:\n  data: {self.data}\n  listen: {{ http: '127.0.0.1:{self.port}' }}\n"
        text += f"  database: '{database}'\n" if database else ""
        text += f"  standby: {standby}\n" if standby else ""
        self.config = scratch.write(f"{name}.yaml", text + more_config)
        super().__init__(scratch, [harness.KHIEN, "kiosk", "--config", self.config, *words], **more)

    def __exit__(self, *how):
        super().__exit__(*how)
        wrong = [line for line in self.said if "Sanitizer" in line or "runtime error" in line]
        if wrong and not any(how):
            raise AssertionError(f"{wrong[:3]}")

    def _secret(self, name, content):
        path = os.path.join(self.data, name)
        if not os.path.exists(path):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(content)

    def key(self):
        with open(os.path.join(self.data, "key"), "rb") as file:
            return file.read()

    def ask(self, op, **call):
        """As whoever may open DATA/control."""
        body = json.dumps({"op": op, **call}).encode()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30 * SLOW)
            s.connect(os.path.join(self.data, "control"))
            s.sendall(HEAD.pack(CALL, 0, 1, 0xffffffff, len(body)) + body)
            kind, _, number, _, size = HEAD.unpack(self._read_all(s, HEAD.size))
            answer = json.loads(self._read_all(s, size))
        if (kind, number) != (ANSWER, 1) or "trouble" in answer:
            raise AssertionError(f"{op}: {answer}")
        return answer

    @staticmethod
    def _read_all(s, n):
        got = b""
        while len(got) < n:
            piece = s.recv(n - len(got))
            if not piece:
                raise ConnectionError("it hung up")
            got += piece
        return got

    def job(self, *words, stdin=b""):
        return self.scratch.khien("kiosk", *words, "--data", self.data, stdin=stdin)

    def state(self):
        return self.ask("status")["follow"]["state"]

    def becomes(self, *states, seconds=15):
        end = time.monotonic() + seconds * SLOW
        while True:
            try:
                state = self.state()
            except OSError as gone:
                state = str(gone)
            if state in states:
                return state
            if time.monotonic() > end:
                raise AssertionError(f"it is {state}, not {states}; said {self.said[:8]} ... {self.said[-5:]}")
            time.sleep(0.05)

    def answers(self, seconds=30):
        """Waits until the database does, after it or the kiosk was started anew."""
        end = time.monotonic() + seconds * SLOW
        while True:
            try:
                return self.ask("places")
            except (OSError, AssertionError) as away:
                if time.monotonic() > end:
                    raise AssertionError(f"{away}; said {self.said[-5:]}") from None
                time.sleep(0.1)

    def hospital(self, rooms=2, places=5):
        """Specialties, rooms, hours of every day, a clerk. Booked up to the minute."""
        self.ask("set", values={"clinic": "Phòng khám thử", "lead_minutes": "0", "per_phone": "3", "per_address": "0", "bank_bin": "999999",
                                "bank_account": "TEST0000", "bank_name": "PHONG KHAM THU"})
        specialty = self.ask("specialty-put", place=0, name={"vi": "Nhi", "en": "Children", "zh": "儿科"}, fee=150000, active=True)["id"]
        for i in range(rooms):
            room = self.ask("room-put", specialty=specialty, place=i, name=f"Phòng {i + 1}", letter="AB"[i], active=True)["id"]
            for weekday in range(1, 8):
                self.ask("hours-put", room=room, weekday=weekday, begins=0, ends=1440, minutes=60, places=places)
        done = self.job("first", "--name", "Quản trị", "admin", stdin=WORDS["first"].encode() + b"\n")
        if done.status:
            raise AssertionError(done.err)
        self.ask("staff-put", login="quay1", name="Quầy 1", roles=2, password=WORDS["clerk"], active=True)
        self.ask("upkeep")

    def days(self):
        return [d["day"] for d in self.ask("days", specialty=1)["days"]]

    def bookings(self, day):
        """Of a day: {reference of the booking: what the counter sees}."""
        return {b["ref"]: b for room in self.ask("day-list", day=day)["rooms"] for b in room["bookings"]}

    def visitor(self):
        return Visitor(self.port)

    def pay(self, payment, number, amount=None):
        """The bank says that money came in, as SePay says it. The status."""
        body = json.dumps({"id": number, "gateway": "Test", "transactionDate": "2026-11-22 10:00:00", "accountNumber": "TEST0000",
                           "transferType": "in", "transferAmount": amount or payment["amount"],
                           "content": f"{payment['reference']} kham benh"}).encode()
        now = str(int(time.time()))
        mac = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)
        connection.request("POST", "/hook/sepay", body, {"Content-Type": "application/json", "X-SePay-Timestamp": now,
                                                         "X-SePay-Signature": f"sha256={mac}"})
        status = connection.getresponse().status
        connection.close()
        return status


class Forms(html.parser.HTMLParser):
    """The forms of a page: [(action, {field: value})]; of choices the first; and what is read on it."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.text, self.form, self.select = [], "", None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.form = {}
            self.forms.append((attrs.get("action"), self.form))
        elif self.form is not None and tag in ("input", "button", "textarea") and attrs.get("name"):
            if attrs.get("type") not in ("checkbox", "submit") and tag != "button":
                self.form.setdefault(attrs["name"], attrs.get("value") or "")
        elif tag == "select":
            self.select = attrs.get("name")
        elif tag == "option" and self.form is not None and self.select:
            self.form.setdefault(self.select, attrs.get("value") or "")

    def handle_endtag(self, tag):
        if tag == "form":
            self.form = None
        elif tag == "select":
            self.select = None

    def handle_data(self, data):
        self.text += data


class Visitor:
    """A browser without scripts: cookies, forms, redirections after POST. source: its address, among loopback's."""

    def __init__(self, port, source="127.0.0.1"):
        self.port, self.source = port, source
        self.cookies, self.status, self.headers, self.page, self.text, self.path = {}, 0, {}, None, "", ""

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW, source_address=(self.source, 0))
        headers = {"Accept": "text/html", "Accept-Language": "en"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.text = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        self.status, self.headers, self.path = answer.status, answer.headers, path
        if self.status in (302, 303):
            return self.request("GET", answer.headers["Location"])
        self.page = Forms(self.text)
        return self

    def get(self, path):
        return self.request("GET", path)

    def form(self, action):
        for its, fields in self.page.forms:
            if its == action:
                return dict(fields)
        raise AssertionError(f"no form {action} on {self.path} ({self.status}): {self.text[:2000]}")

    def submit(self, action, **fields):
        given = self.form(action)
        given.update(fields)
        return self.request("POST", action, urllib.parse.urlencode(given))

    def book(self, day, slot=None, **fields):
        """Up to the ticket."""
        self.get(f"/s/1/{day}")
        fields = {"name": "Nguyễn Thử Nghiệm", "phone": "0900012345", "born": "1980", **fields}
        return self.submit("/book", **fields, **({"slot": slot} if slot else {}))
