#!/usr/bin/python3
"""nginx's own public tests (nginx/nginx-tests; 25f1620 fits nginx 1.22) give the same with the module as without.

judge_nginx.py [FILE.t...], with KHIEN_NGINX_TESTS=FOLDER. Options by environment: KHIEN_NGINX (/usr/sbin/nginx),
KHIEN_NGINX_MODULES (/usr/lib/nginx/modules), KHIEN_JOBS (2), KHIEN_MODULE. As root all runs as nobody, in a network
namespace of its own.
"""
import concurrent.futures
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judges

harness = judges.harness
NGINX = os.environ.get("KHIEN_NGINX", "/usr/sbin/nginx")
MODULES = os.environ.get("KHIEN_NGINX_MODULES", "/usr/lib/nginx/modules")
JOBS = int(os.environ.get("KHIEN_JOBS", "2"))
TIMEOUT = 180
INSIDE = "KHIEN_JUDGE_INSIDE"
# The tests' folders are their user's alone, and nginx's workers don't stay root.
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
# What nginx was configured with as a module of its own -> its file.
DYNAMIC = {
    "http_geoip_module": "ngx_http_geoip_module", "http_image_filter_module": "ngx_http_image_filter_module",
    "http_perl_module": "ngx_http_perl_module", "http_xslt_module": "ngx_http_xslt_filter_module",
    "mail": "ngx_mail_module", "stream": "ngx_stream_module", "stream_geoip_module": "ngx_stream_geoip_module",
}
TAP = re.compile(r"(not )?ok (\d+)(?: - ([^\n]*?))?(?:\s+# (todo|skip)\b[^\n]*)?$", re.I)


def wrapper(scratch):
    """nginx as the tests see it: what isn't installed isn't said to be there, so its tests are skipped."""
    missing = [name for name, file in DYNAMIC.items()
               if not os.path.exists(os.path.join(MODULES, file + ".so")) or name == "http_perl_module"]
    words = " ".join(f"-e 's/ --with-{name}=dynamic//'" for name in missing)
    path = scratch.write("nginx", f'#!/bin/sh\nif [ "$*" = -V ]; then {NGINX} -V 2>&1 | sed {words or "-n p"} >&2\n'
                                  f'else exec {NGINX} "$@"; fi\n')
    os.chmod(path, 0o755)
    return path


def outcomes(file, text, status):
    """TAP -> {"a.t: 3 name": outcome}, and how the file itself ended."""
    found = {}
    planned = None
    for line in text.splitlines():
        if m := TAP.match(line):
            word = "skipped" if (m[4] or "").lower() == "skip" else "todo" if m[4] else "not ok" if m[1] else "ok"
            found[f"{file}: {m[2]} {m[3] or ''}".rstrip()] = word
        elif m := re.match(r"1\.\.(\d+)(?:\s*# (?:skip\w*)\s*(.*))?$", line, re.I):
            planned = int(m[1])
            if planned == 0:
                return {f"{file}: all": f"skipped: {m[2]}"}
    whole = planned is not None and len(found) == planned
    found[f"{file}: all"] = "ok" if whole and status in (0, None) else f"not ok: {len(found)} of {planned}, status {status}"
    return found


def run_file(folder, file, env):
    with subprocess.Popen(["perl", "-I", os.path.join(folder, "lib"), file], cwd=folder, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            out, _ = process.communicate(timeout=TIMEOUT)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            status = "too long"
    return outcomes(file, out.decode(errors="replace"), status)


ASKED = """%(globals)s
daemon off; pid %(folder)s/pid; error_log stderr;
events { }
http {
    %(http)s
    access_log off;
    client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b; fastcgi_temp_path %(folder)s/c;
    uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
    server { listen 127.0.0.1:%(port)d; location / { return 200 "verdict=$khien_verdict"; } }
}
"""


def asks(scratch, more):
    """Does the module decide, with what the tests are given? Else all would be the same, and say nothing."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        at = s.getsockname()
    names = {"globals": more["TEST_NGINX_GLOBALS"], "http": more["TEST_NGINX_GLOBALS_HTTP"], "folder": scratch.name, "port": at[1]}
    conf = scratch.write("asked.conf", ASKED % names)
    answer = b""
    with subprocess.Popen([NGINX, "-p", scratch.name, "-c", conf], stderr=subprocess.PIPE, text=True) as process:
        for _ in range(200):
            try:
                with socket.create_connection(at) as s:
                    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    while got := s.recv(4096):
                        answer += got
                break
            except ConnectionRefusedError:
                if process.poll() is not None:
                    break
                time.sleep(0.05)
        process.terminate()
        said = process.stderr.read()
    if b"verdict=pass" not in answer:
        sys.exit(f"the module doesn't decide: {answer!r}\n{said}")


def nginx_tests(folder, scratch):
    binary = wrapper(scratch)
    key = scratch.write("key", secrets.token_hex(32) + "\n")
    with_module = {"TEST_NGINX_GLOBALS": f"load_module {judges.module()};\n",
                   "TEST_NGINX_GLOBALS_HTTP": f"khien_zone 16m;\nkhien_key {key};\nkhien on;\n"}
    asks(scratch, with_module)

    def run(names, gated):
        env = {k: v for k, v in os.environ.items() if not k.startswith("TEST_NGINX_")}
        env.update(TEST_NGINX_BINARY=binary, TEST_NGINX_MODULES=MODULES)
        if gated:
            env.update(with_module)
        all_files = names or sorted(name for name in os.listdir(folder) if name.endswith(".t"))
        jobs = 1 if names else JOBS
        found = {}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for more in pool.map(lambda file: run_file(folder, file, env), all_files):
                found.update(more)
        return found

    return run


def main():
    folder = judges.need_folder("KHIEN_NGINX_TESTS", "a checkout of nginx/nginx-tests")
    for tool in (NGINX, "perl"):
        if not shutil.which(tool):
            harness.skip(f"no {tool}")
    if os.geteuid() == 0 and not os.environ.get(INSIDE) and shutil.which("unshare"):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", f'ip link set lo up && exec {NOBODY} "$@"', "sh",
                              sys.executable, *sys.orig_argv[1:]])
    names = sys.argv[1:] or None
    with harness.Scratch() as scratch:
        return judges.judge("nginx-tests", nginx_tests(folder, scratch), names)


if __name__ == "__main__":
    sys.exit(main())
