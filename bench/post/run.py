#!/usr/bin/python3
"""What a post costs, beside rsyslog, in one run. Called by `make bench-post`.

    run.py KHIEN [SECONDS] [MB/S]

Made-up log lines (access logs and sshd, some 140 bytes each) are written into a file at 5 MB/s for SECONDS (30). Counted
is the CPU time of all processes of the post, from before the first line until its hub has the last one, over the SECONDS
of writing. The hub runs on another core with one rule; `khien find` has to find every line, once. The peer is rsyslog: imfile,
and omfwd with a disk queue that is synced, to a TCP socket that reads and drops; plain text, uncompressed.
"""
import os, pathlib, random, shutil, socket, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "post"))
import posting  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
TICK = os.sysconf("SC_CLK_TCK")


def figure(name, value, unit):
    print(f"figure {name} {value:.{0 if value >= 100 else 3}f} {unit}", flush=True)


def family(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid):
    total = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mb(pid):
    total = 0
    for one in family(pid):
        for line in pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total / 1024


def lines(n):
    """n lines, as bytes, each with its newline; every one is another."""
    rnd = random.Random(7)
    paths = ["/", "/kham/so-thu-tu", "/api/queue/next", "/static/app.js", "/login", "/thanh-toan/qr"]
    agents = ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "Mozilla/5.0 (iPhone) Safari/604.1", "curl/8"]
    made = []
    for i in range(n):
        address = f"{rnd.randrange(1, 224)}.{rnd.randrange(256)}.{rnd.randrange(256)}.{rnd.randrange(256)}"
        clock = f"{10 + i // 36000 % 10}:{i // 600 % 60:02}:{i // 10 % 60:02}"
        if i % 5:
            made.append(f'{address} - - [22/Nov/2026:{clock} +0700] "GET {rnd.choice(paths)}?id={rnd.randrange(10 ** 9)} '
                        f'HTTP/1.1" {rnd.choice([200, 200, 200, 304, 404])} {rnd.randrange(90000)} "-" '
                        f'"{rnd.choice(agents)}"\n')
        else:
            made.append(f'{address} - user{rnd.randrange(9999)} [22/Nov/2026:{clock} +0700] "POST /login HTTP/1.1" 302 0 '
                        f'"https://bv.example/{rnd.randrange(10 ** 6)}" "{rnd.choice(agents)}"\n')
    return [line.encode() for line in made]


def write_at(path, block, seconds, rate):
    """Appends lines of the block, over and over, each numbered by where it stands. How many, how many bytes."""
    n = size = 0
    began = time.monotonic()
    with open(path, "ab", buffering=0) as file:
        while (now := time.monotonic() - began) < seconds:
            chunk = []
            while size < rate * now:
                line = block[n % len(block)]
                chunk.append(line)
                size += len(line)
                n += 1
            file.write(b"".join(chunk))
            time.sleep(0.02)
    return n, size


def measure(name, pid, path, block, seconds, rate, arrived):
    before, began = cpu_seconds(pid), time.monotonic()
    n, size = write_at(path, block, seconds, rate)
    while not arrived(n, size) and time.monotonic() - began < seconds + 60:
        time.sleep(0.1)
    used = cpu_seconds(pid) - before
    figure(f"{name}-rate", size / seconds / 1e6, "MB/s")
    figure(f"{name}-cpu", 100 * used / seconds, "percent-of-a-core")
    figure(f"{name}-memory", resident_mb(pid), "MB")
    return n


def bench_post(khien, scratch, block, seconds, rate):
    path = scratch / "access.log"
    path.write_bytes(b"".join(block[:20]))
    with posting.Hub(khien, scratch / "hub", core=CORES[-1]) as hub:
        with posting.Post(khien, scratch / "post", hub, "web1", [path], core=CORES[0]) as post:
            post.wait_for("ready")
            time.sleep(1)

            def arrived(n, size):
                return post.status().get("sent", 0) >= n
            n = measure("post", post.pid, path, block, seconds, rate, arrived)
            figure("post-wire", post.status()["sent_bytes"] / seconds / 1e6, "MB/s")
            figure("post-idle-cpu", idle(post.pid), "percent-of-a-core")
        found = hub.count()
        figure("post-missing-or-doubled", abs(found - n), "events")
        return found == n


def idle(pid):
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(5)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - began)


class Sink(threading.Thread):
    """A TCP socket that counts what it reads."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.lines = 0

    def run(self):
        peer, _ = self.listening.accept()
        while got := peer.recv(1 << 20):
            self.lines += got.count(b"\n")


RSYSLOG = """
module(load="imfile" mode="inotify")
global(workDirectory="{dir}/work")
input(type="imfile" file="{path}" tag="web" addMetadata="off")
template(name="raw" type="string" string="%msg%\\n")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="raw"
           queue.type="Disk" queue.fileName="q" queue.checkpointInterval="1000" queue.syncQueueFiles="off"
           action.resumeRetryCount="-1")
"""


def bench_rsyslog(scratch, block, seconds, rate):
    program = shutil.which("rsyslogd", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        print("SKIP: rsyslog is not installed")
        return
    folder = scratch / "rsyslog"
    (folder / "work").mkdir(parents=True)
    path = folder / "access.log"
    path.write_bytes(b"")
    sink = Sink()
    sink.start()
    (folder / "conf").write_text(RSYSLOG.format(dir=folder, path=path, port=sink.port))
    peer = subprocess.Popen([program, "-n", "-f", folder / "conf", "-i", folder / "pid"],
                            preexec_fn=lambda: os.sched_setaffinity(0, {CORES[0]}))
    try:
        time.sleep(2)
        measure("rsyslog", peer.pid, path, block, seconds, rate, lambda n, size: sink.lines >= n)
    finally:
        peer.terminate()
        peer.wait(20)


def main():
    khien = os.path.abspath(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30
    rate = float(sys.argv[3]) * 1e6 if len(sys.argv) > 3 else 5e6
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="khien-post-"))
    block = lines(150000)
    try:
        fine = bench_post(khien, scratch, block, seconds, rate)
        bench_rsyslog(scratch, block, seconds, rate)
    finally:
        shutil.rmtree(scratch)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
