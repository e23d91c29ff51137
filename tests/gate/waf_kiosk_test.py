#!/usr/bin/python3
"""khien's kiosk behind the WAF: all that patients, staff, banks and the hospital do works; attacks on the same forms are refused.
waf_kiosk_test.py KHIEN WAF_WRITE"""
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kiosk"))
from running import WORDS, Kiosk, Visitor, harness  # noqa: E402
from waf_running import OWN, Nginx, multipart, need, rules_of  # noqa: E402

WRITE = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
TOKEN = "a-token-of-the-hospital"
PASSWORD = "'; cat /etc/passwd -- <x> or 1=1"


def check(right, what):
    if not right:
        raise AssertionError(what)


class Watched(Visitor):
    """A visitor by nginx; nothing that is sent this way may be refused by the WAF."""

    def __init__(self, nginx):
        super().__init__(nginx.port)
        self.nginx = nginx

    def request(self, method, path, body=None):
        super().request(method, path, body)
        check("Access denied" not in (log := self.nginx.log()), f"{method} {path} {urllib.parse.unquote_plus(body or '')}: {log}")
        return self

    def sign_in(self, login, password):
        self.get("/staff/sign-in").submit("/staff/sign-in", login=login, password=password)
        check(self.path != "/staff/sign-in" and self.status == 200, f"{login} isn't let in: {self.status} {self.page.text[:300]}")
        return self


def names():
    with open(os.path.join(HERE, "corpus", "ordinary.txt"), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def patients(kiosk, nginx):
    """They book with whatever name they have, pay, look their ticket up, cancel."""
    day = kiosk.days()[1]
    for i, name in enumerate(["Nguyễn Thị Hồng Đào", "O'Brien; D'Arcy", "王小明", "H'Hen Niê (bé Bông)", 'Lê "Tí" Văn Ổn & con']):
        visitor = Watched(nginx).book(day, name=name, phone=f"+84 90 001 22 {i}{i}")
        check(visitor.path == "/ticket" and visitor.status == 200, f"{name}: no ticket {visitor.status} {visitor.page.text[:300]}")
    check(len(kiosk.bookings(day)) == 5, "five booked")
    for path in ("/qr.svg", "/qr.png"):
        check(nginx.send("GET", path, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())}) == 200, path)
    seen = [b for b in kiosk.bookings(day).values() if b["name"].startswith("Lê")][0]
    port, kiosk.port = kiosk.port, nginx.port
    check(kiosk.pay(seen["payment"], 1) == 200, f"the bank's notice is refused: {nginx.log()}")
    check([b["payment"]["state"] for b in kiosk.bookings(day).values() if b["name"].startswith("Lê")] == ["paid"], "not paid")
    hard = {**seen["payment"], "reference": seen["payment"]["reference"] + "; cat /etc/passwd | ' or 1=1 -- <script>"}
    check(kiosk.pay(hard, 2) == 200, f"a payer's odd words: {nginx.log()}")
    kiosk.port = port
    visitor.get("/ticket").submit("/cancel")
    check(len(kiosk.bookings(day)) == 4, "not cancelled")
    for text in names():
        Watched(nginx).get("/find").submit("/find", code="AAAAA-AAAAA", phone=text[:20])
        visitor.get(f"/s/1/{day}").submit("/book", name=text[:80], phone="0900012345", born="1980")


def staff(kiosk, nginx):
    """Sign in with odd passwords; give numbers, call, take cash, read a statement, change what the admin may change."""
    admin = Watched(nginx).sign_in("admin", WORDS["first"])
    admin.get("/admin/people").page.forms.reverse()  # the last is for somebody new
    admin.submit("/admin/people", login="quay2", name="Quầy 2 (O'Neil)", password=PASSWORD, clerk="1", active="1")
    admin.get("/admin").submit("/admin/specialty", vi="Tai - Mũi - Họng; Mắt", en="Ear, nose & throat; eyes", zh="耳鼻喉科；眼科", fee="200000", place="2", active="1")
    admin.get("/admin/rooms/1").submit("/admin/room", name="Phòng 1 (tầng 2 -> trái); P'1", active="1")
    admin.get("/admin/holidays").submit("/admin/holidays", day=kiosk.days()[-1], name="Nghỉ lễ 30/4 & 1/5; Tết")
    for path in ("/admin/settings", "/admin/hours", "/admin/hours/1", "/admin/rooms", "/board"):
        check(admin.get(path).status == 200, f"{path}: {admin.status}")
    admin.get("/admin/settings").submit("/admin/settings")
    clerk = Watched(nginx).sign_in("quay2", PASSWORD)
    clerk.get("/staff/password").submit("/staff/password", old=PASSWORD, new=PASSWORD + "<script>")
    clerk.get("/staff/walk-in/1").submit("/staff/walk-in", name="Lê Tự Đến; D'Ar", phone="", born="")
    clerk.get("/staff/room/1").submit("/staff/next")
    check(len(kiosk.ask("waiting", room=1)["called"]) == 1, "nobody is called")
    rows = "Ngày;Số tiền;Nội dung\n" + "".join(f"22/11/2026;150000;{text.replace(';', ' ')};id\n" for text in names() * 30)
    clerk.get("/staff/statement").submit("/staff/statement", day="2026-11-22", csv=rows)
    fields = {**clerk.get("/staff/statement").form("/staff/statement"), "day": "2026-11-22"}
    fields.pop("file", None)
    body, headers = multipart(fields, [("file", "Sao kê 22-11.csv", "text/csv", rows.encode())])
    headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in clerk.cookies.items())
    check(nginx.send("POST", "/staff/statement", body, headers) == 200, f"the statement's file: {nginx.log()}")


def hospital(kiosk, nginx):
    """2,000 Slots at once; appointments fetched."""
    day = kiosk.days()[1]
    slots = [{"resource": {"resourceType": "Slot", "id": str(i), "schedule": {"reference": "Schedule/room-1"}, "status": "free",
                           "comment": "O'Brien; select * from bookings", "start": f"{day}T{i % 24:02}:00:00+07:00",
                           "end": f"{day}T{i % 24:02}:30:00+07:00"}} for i in range(2000)]
    bearer = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/fhir+json"}
    status = nginx.send("POST", "/fhir/Slot", json.dumps({"resourceType": "Bundle", "type": "batch", "entry": slots}),
                        {**bearer, "Content-Type": "application/fhir+json; charset=utf-8"})
    check(status == 200, f"Slots: {status} {nginx.log()[:2000]}")
    check(nginx.send("GET", "/fhir/Appointment", headers=bearer) == 200, f"appointments: {nginx.log()}")
    check(nginx.send("GET", "/metrics", headers=bearer) == 200, "metrics")


def attackers(kiosk, nginx):
    """On the same forms, with good tokens."""
    day = kiosk.days()[1]
    for attack in ("' or 1=1 --", "<script>alert(1)</script>", "1; DROP TABLE bookings;--", "; cat /etc/passwd", "${jndi:ldap://203.0.113.9/a}",
                   "../../../../etc/passwd"):
        for action, page, field in (("/book", f"/s/1/{day}", "name"), ("/find", "/find", "code"), ("/staff/sign-in", "/staff/sign-in", "login")):
            visitor = kiosk.visitor()
            visitor.port = nginx.port
            visitor.get(page).submit(action, **{field: attack})
            check(visitor.status == 403 and "Access denied" in nginx.log(), f"{attack} at {action}: {visitor.status}")
        check(nginx.send("GET", "/s/1/" + urllib.parse.quote(attack, safe="")) in (400, 403, 404), f"{attack} in a path")


def main():
    need()
    with harness.Scratch() as scratch:
        token = scratch.write("token", TOKEN + "\n")
        os.chmod(token, 0o600)
        with Kiosk(scratch, more_config=f"  hospital: {{ accept_file: {token} }}\n") as kiosk:
            kiosk.hospital(rooms=2, places=50)
            kiosk.ask("set", values={"per_address": "100000", "per_phone": "1000"})
            rules = rules_of(WRITE, scratch, exclusions=[os.path.join(OWN, "exclusions", "kiosk.conf")])
            with Nginx(scratch, rules, upstream=kiosk.port) as nginx:
                for act in (patients, staff, hospital, attackers):
                    act(kiosk, nginx)
                    print(f"ok {act.__name__}", flush=True)


if __name__ == "__main__":
    main()
