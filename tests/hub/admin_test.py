#!/usr/bin/python3
"""khien hub token, backup, restore: what they print, refuse and leave behind."""
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402

TOKEN = re.compile(r"([a-z2-7]{12})\.([A-Za-z0-9_-]{43})\n\Z")
NOBODY = 65534
ROOT = os.geteuid() == 0


def need_root():
    if not ROOT:
        raise unittest.SkipTest("needs root")


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        os.chmod(self.scratch.name, 0o755)  # others may enter
        self.data = self.scratch.path("hub")

    def hub(self, job, *words, data=None, status=0):
        result = self.scratch.khien("hub", *job.split(), "--data", data or self.data, *words)
        self.assertEqual(result.status, status, result.err)
        self.assertNotIn("Sanitizer", result.err)
        return result

    def refused(self, job, *words, says, **more):
        result = self.hub(job, *words, status=2, **more)
        self.assertEqual(result.out, b"")
        for text in says if isinstance(says, tuple) else (says,):
            self.assertIn(text, result.err)
        self.assertEqual(result.err.count("\n"), 1, result.err)

    def add(self, name, scope="ingest", *words, **more):
        match = TOKEN.match(self.hub("token add", "--scope", scope, *words, name, **more).out.decode())
        self.assertTrue(match)
        return match[1], match[2]

    def tokens(self, **more):
        lines = self.hub("token list", "--json", **more).out.decode().splitlines()
        return {token["name"]: token for token in map(json.loads, lines)}

    def tree(self, top):
        """{path below top: bytes; None for a folder}"""
        found = {}
        for folder, folders, names in os.walk(top):
            for name in folders:
                found[os.path.relpath(os.path.join(folder, name), top)] = None
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = file.read()
        return found


class Token(Case):
    def test_add_list_remove(self):
        ident, secret = self.add("web1", "ingest,read", "--expires", "90d")
        other, _ = self.add("máy chủ 2", "metrics")
        found = self.tokens()
        self.assertEqual(list(found), ["web1", "máy chủ 2"])
        self.assertEqual((found["web1"]["id"], found["web1"]["scopes"]), (ident, ["ingest", "read"]))
        self.assertEqual(set(found["máy chủ 2"]), {"id", "name", "scopes", "made"})
        span = [time.mktime(time.strptime(found["web1"][key], "%Y-%m-%dT%H:%M:%SZ")) for key in ("made", "expires")]
        self.assertEqual(span[1] - span[0], 90 * 86400)
        listed = self.hub("token list").out.decode()
        self.assertIn("never", listed)
        self.assertNotIn(secret, listed)
        self.hub("token remove", "web1")
        self.hub("token remove", other)
        self.assertEqual(self.tokens(), {})
        self.refused("token remove", "web1", says="no token with the id or name 'web1'")

    def test_the_secret_is_nowhere_else(self):
        result = self.hub("token add", "--scope", "ingest,admin", "web1")
        ident, secret = TOKEN.match(result.out.decode()).groups()
        self.assertIn(ident, result.err)
        for program in ("Filebeat", "rsyslog", "curl"):
            self.assertIn(program, result.err)
        kept = b"".join(content for content in self.tree(self.data).values() if content)
        self.assertNotIn(secret.encode(), kept)
        self.assertNotIn(secret, result.err)
        # BLAKE2b-256 of the secret is what is kept
        self.assertIn(hashlib.blake2b(secret.encode(), digest_size=32).digest(), kept)
        self.assertEqual(self.hub("token add", "-q", "-s", "read", "web2").err, "")

    def test_private(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.add("web1")
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.data, "store", "state.db")).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.data, "store")).st_mode) & 0o027, 0)

    def test_unseen(self):
        """What could not be printed is not kept."""
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [harness.KHIEN, "hub", "token", "add", "--data", self.data, "--scope", "read", "x"],
                stdout=full, stderr=subprocess.PIPE, env=self.scratch.env(), timeout=harness.TIMEOUT, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.tokens(), {})

    def test_refused(self):
        self.add("web1")
        for words, says in [
            (["--scope", "ingest", "web1"], "'web1' is there already"),
            (["--scope", "ingest,write", "a"], "'write' is no scope"),
            (["--scope", "", "a"], "ingest,read,metrics,admin"),
            (["a"], "--scope"),
            (["--scope", "read", "--expires", "soon", "a"], "90d"),
            (["--scope", "read", "--expires", "0d", "a"], "90d"),
            (["--scope", "read", "--expires", "101y", "a"], "100 years"),
            (["--scope", "read", "--expires", "9999999999999999999d", "a"], "90d"),
            (["--scope", "read", "--expires", "-1d", "a"], "90d"),
            (["--scope", "read", ""], "1 to 64 bytes"),
            (["--scope", "read", "x" * 65], "1 to 64 bytes"),
            (["--scope", "read", "a\nb"], "control"),
        ]:
            with self.subTest(words=words):
                self.refused("token add", *words, says=says)
        self.assertEqual(list(self.tokens()), ["web1"])
        self.refused("token list", data=self.scratch.path("none"), says=("none", "--data"))
        self.refused("token remove", "x", data=self.scratch.path("none"), says=("none", "--data"))
        self.assertFalse(os.path.exists(self.scratch.path("none")))
        for words in (["token"], ["token", "ad", "x"], ["token", "add", "a", "b"], ["token", "list", "x"]):
            with self.subTest(words=words):
                result = self.scratch.khien("hub", *words)
                self.assertEqual((result.status, result.out), (2, b""))
                self.assertIn("--help", result.err)

    def test_beside_others(self):
        """Several at once, and a process that keeps the file open."""
        self.add("first")
        db = sqlite3.connect(os.path.join(self.data, "store", "state.db"))
        self.addCleanup(db.close)
        db.execute("SELECT * FROM token").fetchone()
        running = [
            subprocess.Popen([harness.KHIEN, "hub", "token", "add", "-q", "--data", self.data, "-s", "read", f"n{i}"],
                             stdout=subprocess.DEVNULL, env=self.scratch.env())
            for i in range(6)]
        self.assertEqual([process.wait(harness.TIMEOUT) for process in running], [0] * 6)
        self.assertEqual(len(self.tokens()), 7)

    def test_damaged(self):
        self.add("web1")
        path = os.path.join(self.data, "store", "state.db")
        with open(path, "r+b") as file:
            file.write(b"\xa5" * 500)
        for job in ("token list", "token remove web1"):
            self.refused(job, says=(path, "damaged", "khien hub restore"))

    def test_newer(self):
        self.add("web1")
        db = sqlite3.connect(os.path.join(self.data, "store", "state.db"))
        db.execute("PRAGMA user_version = 99")
        db.close()
        self.refused("token list", says=("newer", "99"))

    def test_belongs_to_the_keeper(self):
        need_root()
        os.mkdir(self.data)
        os.chown(self.data, NOBODY, NOBODY)
        self.add("web1")
        for folder, _, names in os.walk(self.data):
            for name in names:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_uid, NOBODY, name)

    def test_no_right(self):
        need_root()
        self.add("web1")
        os.chmod(self.data, 0o700)
        words = [harness.KHIEN, "hub", "token", "add", "--data", self.data, "--scope", "read", "x"]
        done = subprocess.run(words, capture_output=True, text=True, env=self.scratch.env(), user=NOBODY, group=NOBODY,
                              extra_groups=[], timeout=harness.TIMEOUT, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        os.chmod(self.data, 0o755)
        again = subprocess.run(words, capture_output=True, text=True, env=self.scratch.env(), user=NOBODY, group=NOBODY,
                               extra_groups=[], timeout=harness.TIMEOUT, check=False)
        for said in (done.stderr, again.stderr):
            self.assertRegex(said, r"(?i)no right to|permission denied")
            self.assertEqual(said.count("\n"), 1)
        self.assertIn("run this as root", again.stderr)

    def test_help(self):
        for words in (["token"], ["token", "add"], ["token", "list"], ["token", "remove"], ["backup"], ["restore"]):
            with self.subTest(words=words):
                result = self.scratch.khien("hub", *words, "--help")
                self.assertEqual((result.status, result.err), (0, ""))
                text = result.out.decode()
                self.assertTrue(text.startswith(f"Usage: khien hub {' '.join(words)} "))
                for line in text.splitlines():
                    self.assertLessEqual(len(line), 120)
                    self.assertEqual(line, line.rstrip())


class Backup(Case):
    def setUp(self):
        super().setUp()
        self.to = self.scratch.path("backup")
        self.back = self.scratch.path("back")

    def fill(self):
        """A hub's folder with two tokens and a CA; the last token is in the WAL only, of a process that runs."""
        self.add("web1")
        os.makedirs(os.path.join(self.data, "pki"), mode=0o750)
        for name in ("ca.crt", "ca.key", "hub.crt", "hub.key"):
            with open(os.path.join(self.data, "pki", name), "w", encoding="ascii") as file:
                file.write(f"this is {name}\n" * 20)
        db = sqlite3.connect(os.path.join(self.data, "store", "state.db"))
        self.addCleanup(db.close)
        db.execute("SELECT * FROM token").fetchone()
        self.add("web2")
        self.assertTrue(os.path.getsize(os.path.join(self.data, "store", "state.db-wal")))

    def checked_elsewhere(self):
        """What coreutils thinks of the backup."""
        done = subprocess.run(["b2sum", "-c", "--strict", "manifest"], cwd=self.to, capture_output=True, check=False)
        return done.returncode == 0

    def test_there_and_back(self):
        self.fill()
        said = self.hub("backup", self.to).out.decode()
        self.assertIn(f"to '{self.to}'", said)
        self.assertTrue(self.checked_elsewhere())
        tree = self.tree(self.to)
        self.assertLessEqual({"manifest", "store/state.db", "pki", "pki/ca.key", "pki/hub.crt"}, set(tree))
        self.assertEqual({stat.S_IMODE(os.stat(os.path.join(self.to, name)).st_mode) & 0o077 for name in tree}, {0})
        self.assertIn(f"{len([c for c in tree.values() if c is not None]) - 1} files", said)
        said = self.hub("restore", self.to, data=self.back).out.decode()
        self.assertIn(f"to '{self.back}'", said)
        self.assertEqual(list(self.tokens(data=self.back)), ["web1", "web2"])
        restored = self.tree(self.back)
        for name, content in tree.items():
            if name not in ("manifest", "store/state.db"):
                self.assertEqual(restored[name], content)
        self.assertNotIn("manifest", restored)
        self.assertLessEqual({"store/events/journal", "store/events/days"}, set(restored))
        self.assertEqual(set(os.listdir(self.scratch.name)) - {"cache", "state"}, {"hub", "backup", "back"})

    def test_without_ca(self):
        self.add("web1")
        os.mkdir(self.to)
        self.hub("backup", self.to)
        os.mkdir(self.back)
        self.hub("restore", self.to, data=self.back)
        self.assertEqual(list(self.tokens(data=self.back)), ["web1"])

    def test_backup_refused(self):
        self.refused("backup", self.to, says=("no hub's data", "--data"))
        self.assertFalse(os.path.exists(self.to))
        self.fill()
        self.scratch.write("full/x", "mine")
        self.refused("backup", self.scratch.path("full"), says="not empty")
        self.refused("backup", self.scratch.path("full", "x"), says=self.scratch.path("full", "x"))
        self.refused("backup", self.scratch.path("no", "folder"), says="No such file")
        inside = os.path.join(self.data, "backup")
        self.refused("backup", inside, says="inside")
        self.assertFalse(os.path.exists(inside))
        self.assertEqual(self.tree(self.scratch.path("full")), {"x": b"mine"})
        self.refused("backup", says="khien hub backup [OPTION]... TO")
        self.refused("restore", says="khien hub restore [OPTION]... FROM")

    def test_failed_backup_leaves_nothing(self):
        self.fill()
        with open(os.path.join(self.data, "store", "state.db"), "r+b") as file:
            file.truncate(5000)
        self.refused("backup", self.to, says="damaged")
        self.assertFalse(os.path.exists(self.to))
        os.mkdir(self.to)
        self.refused("backup", self.to, says="damaged")
        self.assertEqual(os.listdir(self.to), [])

    def test_links_lead_nowhere(self):
        """Who keeps the data can't have another user's file copied."""
        self.fill()
        secret = self.scratch.write("secret", "root's own")
        path = os.path.join(self.data, "pki", "hub.key")
        os.unlink(path)
        os.symlink(secret, path)
        self.refused("backup", self.to, says="hub.key")
        os.unlink(path)
        os.mkfifo(path)
        self.refused("backup", self.to, says="hub.key")
        self.assertFalse(os.path.exists(self.to))

    def test_damaged_backup(self):
        self.fill()
        self.hub("backup", self.to)
        names = [name for name, content in self.tree(self.to).items() if content]
        self.assertGreaterEqual(len(names), 6)
        for name in names:
            path = os.path.join(self.to, name)
            with open(path, "rb") as file:
                content = file.read()
            for change in ("flip", "cut", "grow", "missing"):
                with self.subTest(name=name, change=change):
                    at = len(content) // 2
                    new = {"flip": content[:at] + bytes([content[at] ^ 1]) + content[at + 1:], "cut": content[:-1],
                           "grow": content + b"x", "missing": None}[change]
                    os.unlink(path)
                    if new is not None:
                        with open(path, "wb") as file:
                            file.write(new)
                    self.refused("restore", self.to, data=self.back, says=name)
                    self.assertFalse(os.path.exists(self.back))
                    self.assertFalse([n for n in os.listdir(self.scratch.name) if n.startswith(".")])
            with open(path, "wb") as file:
                file.write(content)
        self.hub("restore", self.to, data=self.back)

    def test_manifest_that_leads_out(self):
        """A manifest with right sums and paths of its own."""
        self.fill()
        self.hub("backup", self.to)
        path = os.path.join(self.to, "manifest")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines(keepends=True)
        for name in ("../evil", "/etc/passwd", "a/../../b", ".hidden", "a//b", "-x", "a/", "manifest", "a b"):
            with self.subTest(name=name):
                text = "".join(line.replace("(pki/hub.key)", f"({name})") for line in lines[:-1])
                digest = hashlib.blake2b(text.encode(), digest_size=32).hexdigest()
                with open(path, "w", encoding="ascii") as file:
                    file.write(f"{text}# sum {digest}\n")
                self.refused("restore", self.to, data=self.back, says=("manifest", f"'{name}'"))
                self.assertFalse(os.path.exists(self.back))
        for text, says in [("# khien backup 2\n", "newer"), ("", "not whole"), ("x" * 200, "not whole")]:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            self.refused("restore", self.to, data=self.back, says=says)

    def test_restore_refused(self):
        self.fill()
        self.hub("backup", self.to)
        before = self.tree(self.data)
        self.refused("restore", self.to, says=("not empty", "mv"))
        self.assertEqual(self.tree(self.data), before)
        os.makedirs(os.path.join(self.data, "store", "events"), exist_ok=True)
        with open(os.path.join(self.data, "store", "events", "lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refused("restore", self.to, says=("a hub runs", "stop it"))
        self.refused("restore", self.scratch.path("none"), data=self.back, says="none")
        os.unlink(os.path.join(self.to, "manifest"))
        self.refused("restore", self.to, data=self.back, says="not finished")
        self.refused("restore", self.data, data=self.back, says="no manifest")
        self.assertFalse(os.path.exists(self.back))

    def test_ended_half_way(self):
        self.fill()
        self.hub("backup", self.to)
        size = 64 << 20
        with open(os.path.join(self.to, "big"), "wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        path = os.path.join(self.to, "manifest")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines(keepends=True)
        with open(os.path.join(self.to, "big"), "rb") as file:
            digest = hashlib.blake2b(file.read(), digest_size=32).hexdigest()
        lines.insert(3, f"BLAKE2b-256 (big) = {digest}\n")
        n, total = map(int, re.match(r"# files (\d+), bytes (\d+)", lines[-2]).groups())
        text = "".join(lines[:-2]) + f"# files {n + 1}, bytes {total + size}\n"
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{text}# sum {hashlib.blake2b(text.encode(), digest_size=32).hexdigest()}\n")
        process = subprocess.Popen([harness.KHIEN, "hub", "restore", "--data", self.back, self.to],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.scratch.env())
        end = time.monotonic() + harness.TIMEOUT
        while process.poll() is None and time.monotonic() < end:
            if any(n.startswith(".back") for n in os.listdir(self.scratch.name)):
                break
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=harness.TIMEOUT)
        self.assertEqual(process.returncode, 2, err)
        self.assertIn(b"ended before it was done", err)
        self.assertFalse(os.path.exists(self.back))
        self.assertFalse([n for n in os.listdir(self.scratch.name) if n.startswith(".")])
        self.hub("restore", self.to, data=self.back)
        self.assertEqual(os.path.getsize(os.path.join(self.back, "big")), size)

    def test_while_tokens_change(self):
        self.fill()
        adding = subprocess.Popen(
            ["/bin/sh", "-c", 'for i in $(seq 40); do "$1" hub token add -q --data "$2" --scope read "t$i" || exit 1; '
             "done", "sh", harness.KHIEN, self.data], stdout=subprocess.DEVNULL, env=self.scratch.env())
        counts = []
        for i in range(4):
            to, back = self.scratch.path(f"to{i}"), self.scratch.path(f"back{i}")
            self.hub("backup", to)
            self.hub("restore", to, data=back)
            names = list(self.tokens(data=back))
            self.assertEqual(names, ["web1", "web2"] + [f"t{k + 1}" for k in range(len(names) - 2)])
            counts.append(len(names))
        self.assertEqual(adding.wait(harness.TIMEOUT), 0)
        self.assertEqual(counts, sorted(counts))

    def test_owners(self):
        """As root: state belongs to who keeps the data, the CA's key to whom it belonged."""
        need_root()
        self.fill()
        for folder, folders, names in os.walk(self.data):
            for name in [".", *folders, *names]:
                os.chown(os.path.join(folder, name), NOBODY, NOBODY)
        key = os.path.join(self.data, "pki", "ca.key")
        os.chown(key, 0, 0)
        os.chmod(key, 0o600)
        self.hub("backup", self.to)
        os.mkdir(self.back)
        os.chown(self.back, NOBODY, NOBODY)
        self.hub("restore", self.to, data=self.back)
        for top in (self.to, self.back):
            self.assertEqual(os.stat(top).st_uid, NOBODY)
            events = ("store/events", "store/events/journal", "store/events/days") if top == self.back else ()
            for name in ("store", "store/state.db", *events):
                self.assertEqual(os.stat(os.path.join(top, name)).st_uid, NOBODY, name)
            self.assertEqual(os.stat(os.path.join(top, "pki/ca.key")).st_uid, 0)
        # where that user can't write, it is said
        os.mkdir(self.scratch.path("mine"), mode=0o700)
        self.refused("backup", self.scratch.path("mine", "b"), says=("may not write", "nobody"))
        self.assertEqual(os.listdir(self.scratch.path("mine")), [])


if __name__ == "__main__":
    harness.need_program()
    if not shutil.which("b2sum"):
        harness.skip("no b2sum (coreutils)")
    unittest.main(verbosity=2)
