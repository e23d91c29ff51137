#!/usr/bin/python3
"""The kiosk's figures, in one run, beside nginx. Called by `make bench-kiosk`.

    run.py KHIEN BENCH-VISITORS [SECONDS]

The kiosk and its database have one core, the visitors another. Views are of the booking page: the places of a day, and the form,
with a token of its own for each; nginx, with one worker on that core, serves the same bytes as a file. A booking is a GET of that
page and a POST of its form, answered when it is on the disk; 256 people book at once. Afterwards the kiosk has to have as many, none
with the number of another. PostgreSQL is Debian's, with its own defaults: it syncs. Everything lies in a folder below TMPDIR.
"""
import contextlib, os, pathlib, pwd, shutil, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
KHIEN, VISITORS = map(os.path.abspath, sys.argv[1:3])
SECONDS = sys.argv[3] if len(sys.argv) > 3 else "10"
os.environ["KHIEN"] = KHIEN
sys.argv = sys.argv[:1]
sys.path.insert(0, str(HERE.parents[1] / "tests" / "kiosk"))
from running import POSTGRES, Kiosk, Program, free_ports, harness  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
ROOMS, PLACES, AT_ONCE = 8, 1000, 256


def figure(name, value, unit):
    print(f"figure {name} {value:.{0 if value >= 100 else 3}f} {unit}", flush=True)


def on(core):
    return lambda: os.sched_setaffinity(0, {core})


def visit(port, at_once, what, *paths):
    """{figure: value} of so many visitors at once."""
    done = subprocess.run([VISITORS, "127.0.0.1", str(port), str(at_once), SECONDS, what, *paths], stdout=subprocess.PIPE, text=True,
                          preexec_fn=on(CORES[-1]), check=True)
    return {name: float(value) for _, name, value, *_ in (line.split() for line in done.stdout.splitlines())}


class Measured(Kiosk):
    def __init__(self, scratch, name, database=None):
        self.data, self.port = scratch.path(name), free_ports()[0]
        os.makedirs(self.data)
        text = f"kiosk:\n  data: {self.data}\n  listen: {{ http: '127.0.0.1:{self.port}' }}\n  proxies: [127.0.0.1]\n"
        self.config = scratch.write(f"{name}.yaml", text + (f"  database: '{database}'\n" if database else ""))
        Program.__init__(self, scratch, [harness.KHIEN, "kiosk", "--config", self.config], preexec_fn=on(CORES[0]))
        self.ask("set", values={"lead_minutes": "0", "per_phone": "100", "open_days": "7"})
        specialty = self.ask("specialty-put", place=0, name={"vi": "Nhi", "en": "Children", "zh": "儿科"}, fee=150000, active=True)["id"]
        for i in range(ROOMS):
            room = self.ask("room-put", specialty=specialty, place=i, name=f"Phòng {i + 1}", letter="ABCDEFGH"[i], active=True)["id"]
            for weekday in range(1, 8):
                self.ask("hours-put", room=room, weekday=weekday, begins=420, ends=1020, minutes=30, places=PLACES)
        self.ask("upkeep")
        self.paths = [f"/s/{specialty}/{day}" for day in self.days()[1:]]


def measure_bookings(kiosk, name):
    got = visit(kiosk.port, AT_ONCE, "book", *kiosk.paths)
    figure(name, got["bookings_per_s"], "1/s")
    figure(name.replace("bookings_per_s", "booking_p99_ms"), got["booking_p99_ms"], "ms")
    numbers = [(room["id"] if "id" in room else room["room"], path, b["number"]) for path in kiosk.paths
               for room in kiosk.ask("day-list", day=path.rpartition("/")[2])["rooms"] for b in room["bookings"]]
    if got["refused"] or len(numbers) < got["bookings"] or len(numbers) > got["bookings"] + AT_ONCE or len(set(numbers)) < len(numbers):
        sys.exit(f"bench-kiosk: {got}, but the kiosk has {len(numbers)}, {len(set(numbers))} different")


@contextlib.contextmanager
def nginx(folder, page):
    program, port = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), free_ports()[0]
    if not program:
        yield None
        return
    os.chmod(folder, 0o755)
    pathlib.Path(folder, "page.html").write_bytes(page)
    conf = pathlib.Path(folder, "nginx.conf")
    conf.write_text(f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error; events {{ worker_connections 1024; }}\n"
                    f"http {{ access_log off; keepalive_requests 1000000000; default_type text/html; sendfile on; tcp_nopush on;\n"
                    f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
                    f"scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n")
    with subprocess.Popen([program, "-p", str(folder), "-c", str(conf)], preexec_fn=on(CORES[0]), stderr=subprocess.DEVNULL) as p:
        time.sleep(0.5)
        yield port
        p.terminate()


@contextlib.contextmanager
def postgres(folder):
    """A server with its own defaults; its URI. None: Debian's package isn't there."""
    if not os.access(f"{POSTGRES}/postgres", os.X_OK):
        yield None
        return
    root = os.geteuid() == 0
    who = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if root else {}
    os.mkdir(folder)
    if root:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **who}
    subprocess.run([f"{POSTGRES}/initdb", "-D", f"{folder}/data", "-U", "kiosk", "-A", "trust", "-E", "UTF8", "--locale=C"], check=True, **quiet)
    with subprocess.Popen([f"{POSTGRES}/postgres", "-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses="],
                          preexec_fn=on(CORES[0]), **quiet) as p:
        while subprocess.run([f"{POSTGRES}/pg_isready", "-q", "-h", folder], check=False).returncode:
            time.sleep(0.1)
        subprocess.run([f"{POSTGRES}/createdb", "-h", folder, "-U", "kiosk", "kiosk"], check=True, **quiet)
        yield f"postgresql://kiosk@/kiosk?host={folder}"
        p.terminate()


def main():
    if len(CORES) < 2:
        sys.exit("bench-kiosk needs two cores")
    with harness.Scratch() as scratch, tempfile.TemporaryDirectory(prefix="khien-bench-") as folder:
        os.chmod(folder, 0o755)
        os.chmod(scratch.name, 0o755)
        with Measured(scratch, "sqlite") as kiosk:
            page = kiosk.visitor().get(kiosk.paths[0]).text.encode()
            figure("page_bytes", len(page), "bytes")
            got = visit(kiosk.port, 64, "view", kiosk.paths[0])
            figure("page_views_per_s", got["views_per_s"], "1/s")
            figure("page_p99_ms", got["view_p99_ms"], "ms")
            measure_bookings(kiosk, "bookings_per_s")
        with nginx(folder, page) as port:
            if port:
                static = visit(port, 64, "view", "/page.html")
                figure("nginx_static_per_s", static["views_per_s"], "1/s")
                figure("nginx_static_p99_ms", static["view_p99_ms"], "ms")
                figure("page_views_per_s_to_nginx", got["views_per_s"] / static["views_per_s"], "x")
            else:
                print("nginx_static_per_s: not measured: there is no nginx")
        with postgres(os.path.join(folder, "postgres")) as uri:
            if uri:
                with Measured(scratch, "postgres", uri) as kiosk:
                    measure_bookings(kiosk, "bookings_per_s_postgres")
            else:
                print("bookings_per_s_postgres: not measured: there is no PostgreSQL")


if __name__ == "__main__":
    main()
