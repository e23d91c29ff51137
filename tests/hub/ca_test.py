#!/usr/bin/python3
"""khien ca: what it makes holds before other programs' TLS, and nothing it has is lost or told."""
import hashlib
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402

NOBODY = 65534
ROOT = os.geteuid() == 0


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        self.data = self.scratch.path("data")

    def ca(self, job, *words, status=0, **more):
        env = self.scratch.env(XDG_CONFIG_HOME=self.scratch.path("config"))
        result = self.scratch.khien("ca", job, "--data", self.data, *words, env=env, **more)
        self.assertEqual(result.status, status, result.err)
        self.assertNotIn("PRIVATE", result.out.decode() + result.err)
        return result.out.decode() if status == 0 else result.err

    def pki(self, name):
        return os.path.join(self.data, "pki", name)


class CaTest(Case):
    def test_init(self):
        self.assertIn("'khien ca init' makes one", self.ca("show", status=2))
        self.assertIn("'khien ca init' makes one", self.ca("renew", status=2))
        self.assertIn("made: ", self.ca("init", "--unit", "Trạm y tế 3"))
        self.assertEqual(mode(self.pki("ca.key")), 0o600)
        self.assertEqual(mode(self.pki("ca.crt")), 0o644)
        before = read(self.pki("ca.crt")), read(self.pki("ca.key"))
        self.assertIn("there already: ", self.ca("init", "--unit", "other"))
        self.assertEqual(before, (read(self.pki("ca.crt")), read(self.pki("ca.key"))))
        os.unlink(self.pki("ca.key"))
        self.assertIn("backup", self.ca("init", status=2))

    def test_show(self):
        self.ca("init", "--unit", "Trạm y tế 3")
        pem = self.ca("show", "--pem")
        self.assertEqual(pem, read(self.pki("ca.crt")))
        sha256 = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        shown = self.ca("show")
        pairs = "".join(shown.split("SHA-256 ")[1].split("valid")[0].split())
        self.assertEqual(pairs.replace(":", ""), sha256.upper())
        self.assertIn(f'ssl.ca_trusted_fingerprint: "{sha256}"', shown)
        self.assertIn("Trạm y tế 3", shown)
        self.assertIn(self.pki("ca.crt"), shown)
        self.assertIn("not made yet", shown)
        config = self.scratch.write("k.yaml", "hub: {names: [hub.example, 10.0.0.7], listen: {https: '10.0.0.7:9443'}}\n")
        self.assertIn("for hub.example, 10.0.0.7", self.ca("renew", "--config", config))
        shown = self.ca("show", "--config", config)
        self.assertIn("names        hub.example, 10.0.0.7", shown)
        self.assertIn("https://hub.example:9443/v1/events", shown)
        self.assertIn('target="hub.example" port="6514"', shown)

    def test_end_is_told(self):
        if not shutil.which("openssl"):
            self.skipTest("no openssl to make a certificate that ends soon")
        os.makedirs(self.pki(""))
        for name, days in (("ca", "40"), ("hub", "3")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-subj", "/CN=old", "-days", days, "-keyout", self.pki(name + ".key"),
                            "-out", self.pki(name + ".crt")], check=True, capture_output=True)
        shown = self.ca("show")
        self.assertRegex(shown, r"ends in (39|40) days; make a new one")
        self.assertRegex(shown, r"ends in [23] days; the hub renews it")

    def test_renew(self):
        self.ca("init")
        self.ca("renew")
        first = read(self.pki("hub.crt"))
        self.assertEqual(mode(self.pki("hub.key")), 0o600)
        self.ca("renew")
        self.assertNotEqual(read(self.pki("hub.crt")), first)
        self.assertEqual(sorted(os.listdir(self.pki(""))), ["ca.crt", "ca.key", "hub.crt", "hub.key"])

    def test_issue_refuses(self):
        self.ca("init")
        out = self.scratch.path("out")
        os.mkdir(out)
        for words, why in (
            ((), "--client NAME or --server NAME"),
            (("--client", "a", "--server", "b"), "--client NAME or --server NAME"),
            (("--client", "../a"), "no name for a certificate"),
            (("--client", ".a"), "no name for a certificate"),
            (("--client", "a\nb"), "no name for a certificate"),
            (("--client", "a" * 65), "no name for a certificate"),
            (("--server", "*.example"), "no host name"),
            (("--client", "a", "--address", "x y"), "no host name"),
            (("--client", "a", "--days", "398"), "from 1 to 397"),
            (("--client", "a", *["--address", "b"] * 16), "at most 16"),
        ):
            with self.subTest(words=words):
                self.assertIn(why, self.ca("issue", "-o", out, *words, status=2))
        self.assertEqual(os.listdir(out), [])
        # the CA's own files above all
        before = read(self.pki("ca.key"))
        self.assertIn("is there already", self.ca("issue", "-o", self.pki(""), "--client", "ca", status=2))
        self.assertEqual(before, read(self.pki("ca.key")))
        self.ca("issue", "-o", out, "--client", "a")
        self.assertIn("is there already", self.ca("issue", "-o", out, "--client", "a", status=2))
        with open(os.path.join(out, "ca.crt"), "a", encoding="utf-8") as file:
            file.write("\n")
        self.assertIn("not this CA's", self.ca("issue", "-o", out, "--client", "b", status=2))

    def test_words(self):
        for words, why in (
            (("ca",), "write init, show, issue or renew first"),
            (("ca", "isue"), "did you mean 'issue'?"),
            (("ca", "show", "--config", "/nonexistent"), "/nonexistent: "),
            (("ca", "init", "--pem"), "unknown option"),
        ):
            result = self.scratch.khien(*words)
            self.assertEqual(result.status, 2)
            self.assertIn(why, result.err)

    def test_owner(self):
        """Root works as the CA's owner; what it issues is root's."""
        if not ROOT:
            self.skipTest("needs root")
        os.chmod(self.scratch.name, 0o755)
        os.mkdir(self.data)
        os.chown(self.data, NOBODY, NOBODY)
        env = self.scratch.env(XDG_CONFIG_HOME=self.scratch.path("config"))
        subprocess.run([harness.KHIEN, "ca", "init", "--data", self.data], user=NOBODY, group=NOBODY, extra_groups=[], env=env,
                       check=True, capture_output=True)
        self.ca("renew")
        self.ca("issue", "--client", "a")
        for name in ("ca.key", "ca.crt", "hub.key", "hub.crt"):
            self.assertEqual(os.stat(self.pki(name)).st_uid, NOBODY, name)
        self.assertEqual(os.stat(self.scratch.path("a.key")).st_uid, 0)


class HandshakeTest(Case):
    """Python's ssl is OpenSSL: another reader of what GnuTLS wrote."""

    def setUp(self):
        super().setUp()
        self.ca("init")
        self.ca("issue", "--server", "hub.example", "--address", "127.0.0.1")
        self.ca("issue", "--client", "sender.example")

    def shake(self, server, client, name):
        """None, or what the client or the server had against it."""
        here, there = socket.socketpair()
        here.settimeout(10)
        there.settimeout(10)
        failed = []

        def serve():
            try:
                with server.wrap_socket(there, server_side=True) as s:
                    s.sendall(b"x")
            except (ssl.SSLError, OSError) as error:
                failed.append(str(error))
                there.close()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with client.wrap_socket(here, server_hostname=name) as c:
                if c.recv(1) != b"x":
                    failed.append("closed")
        except (ssl.SSLError, OSError) as error:
            failed.insert(0, str(error))
        finally:
            here.close()
            thread.join()
        return failed[0] if failed else None

    def context(self, purpose, name=None):
        context = ssl.create_default_context(purpose, cafile=self.scratch.path("ca.crt"))
        if name:
            context.load_cert_chain(self.scratch.path(name + ".crt"), self.scratch.path(name + ".key"))
        return context

    def test_handshakes(self):
        server = self.context(ssl.Purpose.CLIENT_AUTH, "hub.example")
        nobody = self.context(ssl.Purpose.SERVER_AUTH)
        sender = self.context(ssl.Purpose.SERVER_AUTH, "sender.example")
        self.assertIsNone(self.shake(server, nobody, "hub.example"))
        self.assertIsNone(self.shake(server, nobody, "127.0.0.1"))
        self.assertIn("mismatch", self.shake(server, nobody, "other.example"))
        server.verify_mode = ssl.CERT_REQUIRED
        self.assertIsNone(self.shake(server, sender, "hub.example"))
        self.assertIsNotNone(self.shake(server, nobody, "hub.example"))
        # a server's certificate makes no sender, a sender's no server
        as_server = self.context(ssl.Purpose.SERVER_AUTH, "hub.example")
        self.assertIsNotNone(self.shake(server, as_server, "hub.example"))
        false_server = self.context(ssl.Purpose.CLIENT_AUTH, "sender.example")
        self.assertIn("purpose", self.shake(false_server, nobody, "sender.example"))


if __name__ == "__main__":
    harness.need_program()
    unittest.main()
