"""What the Python tests share: the program under test, data that is not part of the project, scratch folders."""
import collections
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.environ.get("KHIEN_DATA") or os.path.join(ROOT, "..", "shared", "data")
SKIP = 77  # meson's status for a skipped test
TIMEOUT = 120

Result = collections.namedtuple("Result", "status out err")


def program():
    """The first argument with a slash in it, else $KHIEN, else what `make build` leaves."""
    for i, word in enumerate(sys.argv[1:], 1):
        if "/" in word and not word.startswith("-"):
            return os.path.abspath(sys.argv.pop(i))
    return os.path.abspath(os.environ.get("KHIEN") or os.path.join(ROOT, "build", "khien"))


KHIEN = program()


def data(*parts):
    """A path in the data folder, or None."""
    path = os.path.join(DATA, *parts)
    return path if os.path.exists(path) else None


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(SKIP)


def need_program():
    if not os.access(KHIEN, os.X_OK):
        sys.exit(f"no program at {KHIEN}: name it as an argument or in KHIEN, or build it")


def sanitized():
    """Built with AddressSanitizer? Its memory and speed say nothing then."""
    with open(KHIEN, "rb") as file:
        return b"__asan_init" in file.read()


class Scratch(tempfile.TemporaryDirectory):
    """A folder for one test, with a cache folder of its own in it. `with Scratch() as scratch:`"""

    def __enter__(self):
        return self

    def path(self, *parts):
        return os.path.join(self.name, *parts)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def env(self, **more):
        env = dict(os.environ, XDG_CACHE_HOME=self.path("cache"), XDG_STATE_HOME=self.path("state"), LC_ALL="C.UTF-8", NO_COLOR="1")
        env.update(more)
        return env

    def khien(self, *words, stdin=b"", env=None, timeout=TIMEOUT):
        done = subprocess.run(
            [KHIEN, *words],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            cwd=self.name,
            env=env or self.env(),
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    def match(self, *words, **more):
        return self.khien("match", *words, **more)


def hits(result):
    """--json output -> {(rule id, line)}; fails loudly on anything but matches or none."""
    if result.status not in (0, 1):
        raise AssertionError(f"status {result.status}: {result.err}")
    found = set()
    for line in result.out.decode("utf-8", "surrogateescape").splitlines():
        match = json.loads(line)
        found.add((match["rule"]["id"], match["at"]["line"]))
    if bool(found) != (result.status == 1):
        raise AssertionError(f"status {result.status} with {len(found)} matches")
    return found
