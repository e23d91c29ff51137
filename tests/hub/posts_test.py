#!/usr/bin/python3
"""
Posts: enrolment, certificates, orders, revocation - and who has stolen what can't do: the claims of SECURITY.md, each by
its test.
"""
import base64
import json
import os
import sqlite3
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import posting  # noqa: E402
from posting import Post, PostHub, fields_of, verifies  # noqa: E402
from running import SLOW, harness, name_of, processes  # noqa: E402


@unittest.skipUnless(posting.has_openssl(), "SKIP: no openssl to make a post's key")
class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)

    def hub(self, *words, **more):
        hub = PostHub(self.scratch, *words, **more)
        self.addCleanup(hub.__exit__, None, None, None)
        return hub

    def eventually(self, what, seconds=10):
        end = time.monotonic() + seconds * SLOW
        while not (found := what()):
            self.assertLess(time.monotonic(), end, "it didn't happen in time")
            time.sleep(0.05)
        return found


class Enrolment(Case):
    def test_once(self):
        hub = self.hub()
        secret, raw = hub.invite()
        ca = posting.openssl("x509", "-in", os.path.join(hub.data, "pki", "ca.crt"), "-outform", "DER")
        import hashlib  # pylint: disable=import-outside-toplevel
        self.assertEqual(raw[-64:-32], hashlib.sha256(ca).digest())
        post = Post(hub)
        self.assertEqual(post.enrol("A" * 43), 403)
        self.assertEqual(post.enrol(secret, name="a\nb"), 400)
        self.assertEqual(post.enrol(secret, key="no key"), 400)
        self.assertEqual(post.enrol(secret), 200)
        self.assertEqual(post.answer["unit"], posting.UNIT)
        subject = posting.openssl("x509", "-in", post.crt, "-noout", "-subject", "-nameopt", "RFC2253").decode().strip()
        self.assertEqual(subject, "subject=CN=web1,O=a clinic")
        other = Post(hub, "web2")
        self.assertEqual(other.enrol(secret), 403)
        # a token for any name takes none that there is; one for the name does, and the old certificate is none any more
        self.assertEqual(other.enrol(hub.invite()[0], name="web1"), 409)
        secret = hub.invite("web1")[0]
        self.assertEqual(other.enrol(secret, name="web2"), 403)
        self.assertEqual(other.enrol(secret, name="web1"), 200)
        self.eventually(lambda: other.orders() == [])
        self.assertEqual(post.orders(), 401)

    def test_secret_is_nowhere(self):
        hub = self.hub()
        secret, raw = hub.invite()
        for folder, _, files in os.walk(hub.data):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    text = file.read()
                self.assertNotIn(secret.encode(), text, name)
                self.assertNotIn(raw[-32:], text, name)

    def test_ends(self):
        hub = self.hub()
        secret = hub.invite()[0]
        with sqlite3.connect(os.path.join(hub.data, "store", "state.db")) as db:
            db.execute("UPDATE enrolment SET made = made - 900000000, expires = expires - 900000000")
        self.assertEqual(Post(hub).enrol(secret), 403)

    def test_wrong_secrets_are_limited(self):
        hub = self.hub()
        secret = hub.invite()[0]
        post = Post(hub)
        told = [post.enrol("B" * 43) for _ in range(12)]
        self.assertEqual(told, [403] * 10 + [429] * 2)
        self.assertEqual(post.enrol(secret), 429)

    def test_raced(self):
        hub = self.hub()
        secret = hub.invite()[0]
        posts = [Post(hub, f"web{i}") for i in range(6)]
        told = []
        threads = [threading.Thread(target=lambda p=p: told.append(p.enrol(secret))) for p in posts]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(told), [200] + [403] * 5)
        self.assertEqual(len(json_lines(hub.job("hub", "posts", "list", "--json"))), 1)


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


class Certificates(Case):
    def test_speaks_for_itself_alone(self):
        """A stolen post can't speak for another."""
        hub = self.hub()
        post = hub.enrolled()
        self.assertEqual(post.send({"n": 1, "host.name": "web2", "khien.unit": "a bank"},
                                   {"n": 2, "host": {"name": "web2", "ip": "192.0.2.1"}},
                                   {"n": 3, "Computer": "web2", "khien": {"unit": "x"}}), 200)
        found = sorted(hub.finds(3), key=lambda e: e["n"])
        for event in found:
            self.assertEqual((event["host.name"], event["khien.unit"], event["khien.source"]),
                             ("web1", posting.UNIT, "post web1"))
        self.assertEqual(found[0]["claimed.host.name"], "web2")
        self.assertEqual(found[0]["claimed.khien.unit"], "a bank")
        self.assertEqual(found[1]["host"], {"claimed.name": "web2", "ip": "192.0.2.1"})
        self.assertEqual(len(hub.find("host:web2")), 0)

    def test_renewal(self):
        hub = self.hub()
        post = hub.enrolled()
        old = post.key, post.crt
        post.new_key()
        # nobody without the old key, nobody for another name
        thief = Post(hub, "thief")
        renew = lambda body: post.ask("POST", "/v1/renew", body, certificate=(old[1], old[0]))  # noqa: E731
        self.assertEqual(renew(post.renewal(by=thief.key))[0], 403)
        self.assertEqual(renew(post.renewal(name="web2", by=old[0]))[0], 403)
        self.assertEqual(renew({"public_key": post.public})[0], 400)
        status, answer = renew(post.renewal(by=old[0]))
        self.assertEqual(status, 200)
        # both hold until the new one is used; then only that
        post.take(answer)
        self.assertEqual(post.ask("GET", "/v1/orders?wait=0", certificate=(old[1], old[0]))[0], 200)
        self.eventually(lambda: post.orders() == [])
        self.eventually(lambda: post.ask("GET", "/v1/orders?wait=0", certificate=(old[1], old[0]))[0] == 401)
        self.assertEqual(post.orders(), [])

    def test_renewal_lost(self):
        """Two answers are lost: it isn't locked out, and goes on with its old certificate or the last one."""
        hub = self.hub()
        post = hub.enrolled()
        old = post.crt, post.key
        for _ in range(2):
            post.new_key()
            status, answer = post.ask("POST", "/v1/renew", post.renewal(by=old[1], certificate=old[0]), certificate=old)
            self.assertEqual(status, 200)
            self.assertEqual(post.ask("GET", "/v1/orders?wait=0", certificate=old)[0], 200)
        post.take(answer)
        self.eventually(lambda: post.orders() == [])
        self.eventually(lambda: post.ask("GET", "/v1/orders?wait=0", certificate=old)[0] == 401)

    def test_forgotten(self):
        """A token from before lets nobody in by the name of one that was revoked and forgotten."""
        hub = self.hub()
        post = hub.enrolled()
        tokens = hub.invite()[0], hub.invite("web1")[0]
        hub.job("hub", "posts", "revoke", "web1", "--why", "stolen")
        hub.job("hub", "posts", "forget", "web1")
        self.assertEqual([post.enrol(t) for t in tokens], [403, 403])
        self.assertEqual(post.enrol(hub.invite()[0]), 200)

    def test_revoked(self):
        """A stolen post is shut out within a second, and its connections with it."""
        hub = self.hub()
        post = hub.enrolled()
        secret = hub.invite("web1")[0]
        held = post.connection()
        held.request("GET", "/v1/orders?wait=50")
        time.sleep(0.3)
        began = time.monotonic()
        hub.job("hub", "posts", "revoke", "web1", "--why", "stolen")
        self.assertEqual(held.getresponse().status, 401)
        self.assertLess(time.monotonic() - began, 2 * SLOW)
        held.close()
        self.assertEqual(post.send({"a": 1}), 401)
        self.assertEqual(post.orders(), 401)
        post.new_key()
        body = post.renewal(by=post.path("key1.pem"), certificate=post.path("crt1.pem"))
        self.assertEqual(post.ask("POST", "/v1/renew", body, certificate=(post.path("crt1.pem"), post.path("key1.pem")))[0],
                         401)
        # not with a token from before, only with a new one for its name
        self.assertEqual(post.enrol(secret), 403)
        self.assertEqual(post.enrol(hub.invite()[0]), 409)
        self.assertEqual(post.enrol(hub.invite("web1")[0]), 200)
        self.eventually(lambda: post.orders() == [])
        shown = json.loads(hub.job("hub", "posts", "show", "--json", "web1"))
        self.assertNotIn("revoked", shown)

    def test_revoked_for_good(self):
        """Neither a restart nor a damaged state.db brings a revoked post back."""
        hub = self.hub()
        post, other = hub.enrolled(), hub.enrolled("web2")
        hub.job("hub", "posts", "revoke", "web1", "--why", "stolen")
        hub.stop()
        path = os.path.join(hub.data, "store", "state.db")
        with open(path, "r+b") as file:
            file.write(b"\x5a" * 4096)
        with PostHub(self.scratch, ports=hub.ports):
            self.assertEqual(post.orders(), 401)
            self.assertEqual(other.orders(), [])
        self.assertEqual(json.loads(hub.job("hub", "posts", "show", "--json", "web1"))["why"], "stolen")

    def test_certificates_of_others(self):
        """The hub's own certificate, one of khien ca, one of another CA: none is a post."""
        hub = self.hub()
        post = hub.enrolled()
        pki = os.path.join(hub.data, "pki")
        self.assertEqual(post.ask("GET", "/v1/orders?wait=0",
                                  certificate=(os.path.join(pki, "hub.crt"), os.path.join(pki, "hub.key")))[0], 401)
        crt = post.path("self.crt")
        posting.openssl("req", "-x509", "-key", post.key, "-subj", "/O=a clinic/CN=web1", "-days", "5", "-out", crt)
        self.assertEqual(post.ask("GET", "/v1/orders?wait=0", certificate=(crt, post.key))[0], 401)
        self.assertEqual(post.ask("GET", "/v1/orders?wait=0", certificate=False)[0], 401)


class Orders(Case):
    def test_walk(self):
        hub = self.hub()
        post, other = hub.enrolled(), hub.enrolled("web2")
        got = []
        waiter = threading.Thread(target=lambda: got.extend(post.orders(wait=30)))
        waiter.start()
        time.sleep(0.3)
        order = hub.order("web1", "follow", "/var/log/đêm.log", why="it is slow")
        waiter.join()
        self.assertEqual([o["id"] for o in got], [order])
        raw = base64.b64decode(got[0]["order"])
        says = fields_of(raw)
        self.assertEqual((says["unit"], says["post"], says["verb"], says["args"]),
                         (posting.UNIT, "web1", "follow", ["/var/log/đêm.log"]))
        self.assertGreaterEqual(says["sequence"], says["issued"])
        self.assertAlmostEqual((says["expires"] - says["issued"]) / 1e6, 900, delta=5)
        signature = base64.b64decode(got[0]["signature"])
        self.assertTrue(verifies(post.answer["order_key"], b"khien order 1, by the hub\0" + raw, signature, self.scratch))
        self.assertFalse(verifies(post.answer["order_key"], raw, signature, self.scratch))
        # told again to who begins anew, and to nobody else
        self.assertEqual(post.orders(after=got[0]["number"]), [])
        self.assertEqual(len(post.orders()), 1)
        self.assertEqual(other.orders(), [])
        self.eventually(lambda: hub.state_of(order)["state"] == "sent")
        self.assertEqual(other.report(order), 404)
        self.assertEqual(post.report("a" * 16), 404)
        self.assertEqual(post.report(order, "undone"), 400)
        self.assertEqual(post.report(order, "done", "followed"), 200)
        self.assertEqual(post.report(order, "done", "followed"), 200)
        self.assertEqual(post.report(order, "failed"), 409)
        self.eventually(lambda: post.orders() == [])
        said = hub.state_of(order)
        self.assertEqual((said["state"], said["result"], said["why"]), ("done", "followed", "it is slow"))
        history = hub.job("order", "show", order)
        for word in ("asked", "queued", "done", "it is slow", "web1"):
            self.assertIn(word, history)
        back = hub.job("order", "undo", order, "--why", "no more").split()[0]
        taken = self.eventually(post.orders)
        self.assertEqual(fields_of(base64.b64decode(taken[0]["order"]))["verb"], "unfollow")
        self.assertGreater(fields_of(base64.b64decode(taken[0]["order"]))["sequence"], says["sequence"])
        self.assertEqual(post.report(back), 200)
        self.assertEqual(hub.state_of(order)["state"], "undone")

    def test_refused_at_once(self):
        hub = self.hub()
        hub.enrolled()
        for words in (("web1", "shell", "id"), ("web1", "ping", "x"), ("web1", "follow"), ("web1", "follow", "../x"),
                      ("web1", "follow", "/var/log/../../etc/shadow"), ("web9", "ping")):
            hub.job("order", *words, "--why", "x", status=2)
        hub.job("order", "web1", "ping", status=2)
        hub.job("order", "web1", "ping", "--why", "x", "--expires", "25h", status=2)
        self.assertEqual(hub.job("order", "list", "--json"), "")

    def test_expires(self):
        hub = self.hub()
        hub.enrolled()
        order = hub.order("web1", "ping", "--expires", "1s")
        self.eventually(lambda: hub.state_of(order)["state"] == "expired")

    def test_sequence_survives(self):
        """Sequences go on over restarts, damage and a clock of no account."""
        hub = self.hub()
        post = hub.enrolled()
        hub.order("web1", "ping")
        first = fields_of(base64.b64decode(self.eventually(post.orders)[0]["order"]))["sequence"]
        ahead = first + 3600 * 10**6
        hub.stop()
        path = os.path.join(hub.data, "store", "state.db")
        with sqlite3.connect(path) as db:
            db.execute("UPDATE post SET sequence = ?", (ahead,))
        with PostHub(self.scratch, ports=hub.ports):
            hub.order("web1", "ping")
            second = fields_of(base64.b64decode(self.eventually(lambda: post.orders()[1:])[0]["order"]))["sequence"]
            self.assertGreater(second, ahead)
            time.sleep(1.5)
        with open(path, "r+b") as file:
            file.write(b"\x5a" * 4096)
        with PostHub(self.scratch, ports=hub.ports):
            self.assertEqual(post.orders(), [])  # what was ordered is gone, and not told again
            hub.order("web1", "ping")
            third = fields_of(base64.b64decode(self.eventually(post.orders)[0]["order"]))["sequence"]
            self.assertGreater(third, second)

    def test_many(self):
        """More orders than an answer holds: the next one goes on, and what was sent is noted."""
        hub = self.hub()
        post = hub.enrolled()
        for _ in range(70):
            hub.order("web1", "ping")
        self.eventually(lambda: all(o["state"] == "queued" for o in json_lines(hub.job("order", "list", "--json"))))
        first = self.eventually(lambda: len(o := post.orders()) == 64 and o)
        self.eventually(lambda: len(post.orders(after=first[-1]["number"])) == 6)
        self.eventually(lambda: all(o["state"] == "sent" for o in json_lines(hub.job("order", "list", "--json"))))

    def key(self, name):
        passphrase = self.scratch.write(name + ".pass", "a long passphrase\n")
        key = self.scratch.path(name + ".key")
        done = self.scratch.khien("order", "key", key, "--name", name, "--passphrase", passphrase)
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        return key, passphrase, done.out.decode().split()[0]

    def test_destruction_needs_a_person(self):
        """A hub alone destroys nothing: the approver's key is not on it, and its signer signs nothing without."""
        an, passphrase, public = self.key("An")
        stranger, _, _ = self.key("stranger")
        with PostHub(self.scratch) as hub:
            ports = hub.ports
        hub.job("order", "approver", "add", public, "An")
        hub = self.hub(ports=ports)
        post = hub.enrolled()
        self.assertEqual(post.answer["approvers"], [public + " An"])
        order = hub.order("web1", "forget-spool")
        self.eventually(lambda: hub.state_of(order)["state"] == "waits for approval")
        time.sleep(0.3)
        self.assertEqual(post.orders(), [])
        # another's signature: state.db takes it, the signer doesn't
        raw = hub.job("order", "show", "--bytes", order)
        file = self.scratch.write("order.txt", raw)
        bad = self.scratch.khien("order", "sign", "--yes", "--key", stranger, "--passphrase", passphrase, file)
        self.assertEqual(bad.status, 0, bad.err)
        hub.job("order", "approve", order, bad.out.decode().strip())
        self.eventually(lambda: hub.state_of(order)["state"] == "refused")
        # signed where the key is, which is not here
        order = hub.order("web1", "forget-spool")
        self.eventually(lambda: hub.state_of(order)["state"] == "waits for approval")
        file = self.scratch.write("order.txt", hub.job("order", "show", "--bytes", order))
        wrong = self.scratch.write("wrong.pass", "another passphrase\n")
        done = self.scratch.khien("order", "sign", "--yes", "--key", an, "--passphrase", wrong, file)
        self.assertEqual(done.status, 2)
        done = self.scratch.khien("order", "sign", "--yes", "--key", an, "--passphrase", passphrase, file)
        hub.job("order", "approve", order, done.out.decode().strip())
        got = self.eventually(post.orders)
        raw = base64.b64decode(got[0]["order"])
        self.assertEqual(got[0]["approver"], public)
        self.assertTrue(verifies(public, b"khien order 1, by an approver\0" + raw, base64.b64decode(got[0]["approval"]),
                                 self.scratch))
        self.assertTrue(verifies(post.answer["order_key"], b"khien order 1, by the hub\0" + raw,
                                 base64.b64decode(got[0]["signature"]), self.scratch))
        # with the key here: not unseen, and not where the list says something else than the bytes
        order = hub.order("web1", "forget-spool")
        self.eventually(lambda: hub.state_of(order)["state"] == "waits for approval")
        words = ("order", "approve", "--key", an, "--passphrase", passphrase, order)
        with sqlite3.connect(os.path.join(hub.data, "store", "state.db")) as db:
            db.execute("UPDATE orders SET verb = 'retire' WHERE id = ?", (order,))
        hub.job(*words, "--yes", status=2)
        with sqlite3.connect(os.path.join(hub.data, "store", "state.db")) as db:
            db.execute("UPDATE orders SET verb = 'forget-spool' WHERE id = ?", (order,))
        hub.job(*words, "--yes")
        self.eventually(lambda: hub.state_of(order)["state"] in ("queued", "sent"))


class Stolen(Case):
    def test_state_that_is_written_to(self):
        """Who writes to state.db as he likes orders nothing beyond the list, and makes no signature."""
        hub = self.hub()
        post = hub.enrolled()
        with sqlite3.connect(os.path.join(hub.data, "store", "state.db")) as db:
            for i, (verb, args) in enumerate((("shell", '["id"]'), ("follow", '["/a/../b"]'), ("ping", '["x"]'), ("ping", "{"),
                                              ("retire", "[]"))):
                db.execute("INSERT INTO orders (turn, id, post, verb, args, state, sequence, made, expires, who, why, undoes,"
                           " bytes, signature, approver, approval, result) VALUES (0, ?, 'web1', ?, ?, 1, 0, 0, ?, 'x', 'x', '',"
                           " x'', x'', x'', x'', '')", ("abcdefghijklmno" + "abcde"[i], verb, args, int(time.time() + 600) * 10**6))
        self.eventually(lambda: all(o["state"] in ("refused", "waits for approval")
                                    for o in json_lines(hub.job("order", "list", "--json"))))
        self.assertEqual(post.orders(), [])

    def test_keys_are_where_they_belong(self):
        """No key in the keeper or the front; the signer is a process by itself, and can't be looked into."""
        hub = self.hub()
        hub.enrolled()
        names = {name_of(pid): pid for pid in processes(hub.process.pid)}
        self.assertIn("khien: signer", names)
        with open(os.path.join(hub.data, "pki", "order.key"), "rb") as file:
            seed = base64.urlsafe_b64decode(file.read().split()[-1] + b"=")
        self.assertEqual(os.stat(os.path.join(hub.data, "pki", "order.key")).st_mode & 0o777, 0o600)
        for name in ("khien: keeper", "khien: front"):
            self.assertFalse(in_memory(names[name], seed), name)

    def test_signer_dies(self):
        """Without its signer the keeper is started anew, with another; no event is lost for it."""
        hub = self.hub()
        post = hub.enrolled()
        signer = next(pid for pid in processes(hub.process.pid) if name_of(pid) == "khien: signer")
        os.kill(signer, 9)
        hub.order("web1", "ping")

        def told():
            try:
                return post.orders()
            except OSError:
                return None
        self.assertEqual(len(self.eventually(told, 20)), 1)


def in_memory(pid, needle):
    """As root could look; where nobody may, there is nothing to see."""
    try:
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in maps:
                area, rights = line.split()[:2]
                start, end = (int(x, 16) for x in area.split("-"))
                if "rw" not in rights or end - start > 1 << 28:
                    continue
                try:
                    mem.seek(start)
                    if needle in mem.read(end - start):
                        return True
                except OSError:
                    continue
    except PermissionError:
        return False
    return False


if __name__ == "__main__":
    harness.need_program()
    unittest.main()
