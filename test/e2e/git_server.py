"""A Git server over smart HTTP for tests: `git http-backend` behind http.server of the standard library.

    server = GitServer(root)  # folder with bare repositories, NAME.git
    server.start(); …; server.stop()
    server.url                          # http://127.0.0.1:PORT
    server.repository("shop")           # a new bare repository; server.commit("shop", {"a.txt": "text"}) → sha

Switches, also while it runs: `credentials` ("user", "password") or None; `delay_s` before each answer; `outage` answers
503; `redirect` {old path prefix: new URL prefix}; `version2 = False` plays a server of old. `requests` lists (method,
path, had an Authorization header).

As a program: git_server.py ROOT [USER:PASSWORD] prints its URL and serves until stdin ends. A line on stdin sets a switch:
"outage on|off", "delay SECONDS", "credentials USER:PASSWORD|none", "redirect OLD NEW", "version2 on|off", answered "ok".
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading
import time

ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
               "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.com", "GIT_COMMITTER_NAME": "test",
               "GIT_COMMITTER_EMAIL": "test@example.com", "PATH": os.environ.get("PATH", "/usr/bin:/bin")}


def git(folder, *arguments, text_in=None):
    done = subprocess.run(["git", "-C", folder, *arguments], env=ENVIRONMENT, input=text_in, capture_output=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def allowed(self, owner):
        if not owner.credentials:
            return True
        wanted = base64.b64encode(":".join(owner.credentials).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def serve(self):
        owner = self.server.owner
        path, _, query = self.path.partition("?")
        body = self.body()
        owner.requests.append((self.command, path, "Authorization" in self.headers))
        if owner.delay_s:
            time.sleep(owner.delay_s)
        if owner.outage:
            return self.answer(503, b"out of order\n", Content_Type="text/plain")
        for old, new in owner.redirect.items():
            if path.startswith(old):
                return self.answer(301, Location=new + self.path[len(old):])
        if not self.allowed(owner):
            return self.answer(401, b"no\n", WWW_Authenticate='Basic realm="test"')
        return self.backend(owner, path, query, body)

    do_GET = do_POST = serve

    def backend(self, owner, path, query, body):
        environment = {**ENVIRONMENT, "GIT_PROJECT_ROOT": owner.root, "GIT_HTTP_EXPORT_ALL": "1",
                       "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query,
                       "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                       "REMOTE_USER": owner.credentials[0] if owner.credentials else "",
                       "REMOTE_ADDR": self.client_address[0]}
        if owner.version2:
            environment["GIT_PROTOCOL"] = self.headers.get("Git-Protocol", "")
        with subprocess.Popen(["git", "http-backend"], env=environment, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            writer = threading.Thread(target=self.feed, args=(process.stdin, body))
            writer.start()
            self.relay(process.stdout)
            process.stdout.close()
            writer.join()

    @staticmethod
    def feed(pipe, body):
        try:
            with pipe:
                pipe.write(body)
        except BrokenPipeError:
            pass

    def relay(self, pipe):
        status = 200
        headers = []
        while (line := pipe.readline().strip()):
            name, _, value = line.decode().partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while piece := pipe.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    owner = None

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


class GitServer:
    def __init__(self, root, credentials=None, host="127.0.0.1", port=0, tls=None):
        self.root = os.path.abspath(root)
        self.credentials = credentials
        self.tls = tls  # (certificate file, key file)
        self.delay_s = 0
        self.outage = False
        self.redirect = {}
        self.version2 = True
        self.requests = []
        self.address = (host, port)
        self.server = None
        self.thread = None
        os.makedirs(self.root, exist_ok=True)

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://{self.address[0]}:{self.address[1]}"

    def start(self):
        self.server = Server(self.address, Handler)
        self.server.owner = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = self.server.server_address[:2]  # the same port again after a stop
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *arguments):
        self.stop()

    def folder(self, name):
        return os.path.join(self.root, name + ".git")

    def repository(self, name, branch="main"):
        """Makes a bare repository; returns its URL."""
        os.makedirs(self.folder(name))
        git(self.folder(name), "init", "-q", "--bare", f"--initial-branch={branch}")
        return f"{self.url}/{name}.git"

    def commit(self, name, files, branch="main", message="change"):
        """Commits files {path: text, bytes, None to remove} on top of the branch; returns the sha. A path may be
        ("path", mode) with mode 100755, 120000 or 160000."""
        folder = self.folder(name)
        index = {"GIT_INDEX_FILE": os.path.join(folder, "index.test")}
        before = subprocess.run(["git", "-C", folder, "rev-parse", "-q", "--verify", f"refs/heads/{branch}"],
                                env=ENVIRONMENT, capture_output=True, text=True, check=False).stdout.strip()
        lines = []
        for path, content in files.items():
            path, mode = path if isinstance(path, tuple) else (path, "100644")
            if content is None:
                lines.append(f"0 {'0' * 40}\t{path}")
                continue
            if mode == "160000":  # a submodule: the content is a commit's sha
                lines.append(f"{mode} {content}\t{path}")
                continue
            data = content.encode() if isinstance(content, str) else content
            lines.append(f"{mode} {git(folder, 'hash-object', '-w', '--stdin', text_in=data)}\t{path}")
        environment = {**ENVIRONMENT, **index}
        if os.path.exists(index["GIT_INDEX_FILE"]):
            os.remove(index["GIT_INDEX_FILE"])
        if before:
            subprocess.run(["git", "-C", folder, "read-tree", before], env=environment, check=True)
        subprocess.run(["git", "-C", folder, "update-index", "--index-info"], env=environment, check=True,
                       input="\n".join(lines).encode() + b"\n")
        tree = subprocess.run(["git", "-C", folder, "write-tree"], env=environment, check=True, capture_output=True,
                              text=True).stdout.strip()
        parent = ["-p", before] if before else []
        sha = git(folder, "commit-tree", tree, *parent, "-m", message)
        git(folder, "update-ref", f"refs/heads/{branch}", sha)
        return sha

    def switch(self, words):
        name, values = words[0], words[1:]
        if name == "outage":
            self.outage = values[0] == "on"
        elif name == "version2":
            self.version2 = values[0] == "on"
        elif name == "delay":
            self.delay_s = float(values[0])
        elif name == "credentials":
            self.credentials = None if values[0] == "none" else tuple(values[0].split(":", 1))
        elif name == "redirect":
            self.redirect = {values[0]: values[1]} if values else {}
        elif name == "count":
            return str(len(self.requests))
        else:
            return f"unknown switch {name}"
        return "ok"


def main():
    credentials = tuple(sys.argv[2].split(":", 1)) if len(sys.argv) > 2 else None
    with GitServer(sys.argv[1], credentials) as server:
        print(server.url, flush=True)
        for line in sys.stdin:
            if line.strip():
                print(server.switch(line.split()), flush=True)


if __name__ == "__main__":
    main()
