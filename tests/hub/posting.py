"""A post as a hub sees one, made of other people's tools: keys and signatures by openssl, HTTPS by Python."""
import base64
import http.client
import json
import os
import shutil
import ssl
import struct
import subprocess

from running import SLOW, Hub, harness  # noqa: F401  # pylint: disable=unused-import

UNIT = "a clinic"


def openssl(*words, stdin=None):
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=True).stdout


def has_openssl():
    return shutil.which("openssl") is not None


def fields_of(order):
    """The canonical bytes of an order, taken apart by a second hand."""
    assert order[:4] == b"KHO1"
    at = 4
    texts = []

    def text():
        nonlocal at
        n, = struct.unpack_from(">H", order, at)
        at += 2 + n
        return order[at - n:at].decode()
    texts = [text() for _ in range(4)]
    n_args = order[at]
    at += 1
    args = [text() for _ in range(n_args)]
    sequence, issued, expires = struct.unpack_from(">Qqq", order, at)
    assert at + 24 == len(order)
    return dict(zip(("id", "unit", "post", "verb"), texts), args=args, sequence=sequence, issued=issued, expires=expires)


def verifies(key, signed, signature, scratch):
    """Ed25519, by openssl; key: "ed25519:..."."""
    raw = base64.urlsafe_b64decode(key.removeprefix("ed25519:") + "=")
    der = bytes.fromhex("302a300506032b6570032100") + raw
    pub, text, sig = (scratch.path(n) for n in ("pub.der", "signed", "signature"))
    for path, content in ((pub, der), (text, signed), (sig, signature)):
        with open(path, "wb") as f:
            f.write(content)
    return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", pub, "-rawin", "-in", text,
                           "-sigfile", sig], capture_output=True, check=False).returncode == 0


class Post:
    def __init__(self, hub, name="web1"):
        self.hub, self.name, self.n = hub, name, 0
        self.folder = hub.scratch.path("post-" + name)
        os.makedirs(self.folder, exist_ok=True)
        self.answer = {}
        self.crt = None
        self.new_key()

    def path(self, name):
        return os.path.join(self.folder, name)

    def new_key(self):
        self.n += 1
        self.key = self.path(f"key{self.n}.pem")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key)
        self.public = openssl("ec", "-in", self.key, "-pubout").decode()

    def take(self, answer):
        self.answer = answer
        self.crt = self.path(f"crt{self.n}.pem")
        with open(self.crt, "w", encoding="ascii") as f:
            f.write(answer["certificate"])

    def connection(self, certificate=True, timeout=60):
        context = ssl.create_default_context(cafile=os.path.join(self.hub.data, "pki", "ca.crt"))
        if certificate:
            context.load_cert_chain(*(certificate if isinstance(certificate, tuple) else (self.crt, self.key)))
        return http.client.HTTPSConnection("127.0.0.1", self.hub.https, timeout=timeout * SLOW, context=context)

    def ask(self, method, path, body=None, certificate=True, kind="application/json"):
        connection = self.connection(certificate)
        try:
            if isinstance(body, dict):
                body = json.dumps(body)
            connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text or b"null")
        finally:
            connection.close()

    def enrol(self, secret, name=None, key=None):
        body = {"secret": secret, "name": self.name if name is None else name, "public_key": key or self.public}
        status, answer = self.ask("POST", "/v1/enrol", body, certificate=False)
        if status == 200:
            self.take(answer)
        return status

    def renewal(self, name=None, by=None, certificate=None):
        """A body for /v1/renew with the key that self.new_key() made; by: who signs the proof."""
        signed = b"khien renewal 1\0" + (name or self.name).encode() + b"\0" + self.public.encode()
        proof = openssl("dgst", "-sha256", "-sign", by, stdin=signed)
        with open(certificate or self.crt, encoding="ascii") as f:
            return {"public_key": self.public, "certificate": f.read(), "proof": base64.b64encode(proof).decode()}

    def orders(self, after=0, wait=0):
        status, answer = self.ask("GET", f"/v1/orders?after={after}&wait={wait}")
        return answer["orders"] if status == 200 else status

    def report(self, order, state="done", result="well"):
        return self.ask("POST", f"/v1/orders/{order}/report", {"state": state, "result": result})[0]

    def send(self, *events):
        body = "".join(json.dumps(e) + "\n" for e in events)
        return self.ask("POST", "/v1/events", body, kind="application/x-ndjson")[0]


class PostHub(Hub):
    def __init__(self, scratch, *words, **more):
        super().__init__(scratch, "--unit", UNIT, *words, **more)

    def job(self, *words, status=0):
        done = self.scratch.khien(*words, "--data", self.data)
        if done.status != status:
            raise AssertionError(f"{words}: {done.status}: {done.err} {done.out}")
        return done.out.decode() if isinstance(done.out, bytes) else done.out

    def invite(self, name=None):
        """The secret, and all of the token's bytes."""
        words = [name] if name else []
        text = self.job("hub", "token", "--post", "--quiet", "--hub", f"127.0.0.1:{self.https}", *words).strip()
        assert text.startswith("khien1.")
        raw = base64.urlsafe_b64decode(text[7:] + "=" * (-len(text[7:]) % 4))
        return base64.urlsafe_b64encode(raw[-32:]).decode().rstrip("="), raw

    def enrolled(self, name="web1"):
        post = Post(self, name)
        status = post.enrol(self.invite()[0])
        if status != 200:
            raise AssertionError(f"enrol: {status}")
        return post

    def order(self, *words, why="a test"):
        return self.job("order", *words, "--why", why).split()[0]

    def state_of(self, order):
        return json.loads(self.job("order", "show", "--json", order))
