"""What every scenario stands on: a real platform of its own, real clients, and waiting for outcomes.

A scenario states an intent (apply, kill, scale) and waits with `eventually` until the world is so, within a deadline.
Nothing here sleeps for a fixed time in the hope that it suffices. Python's standard library only.
"""
import contextlib
import glob
import http.client
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
import urllib.parse

PROGRAMS = os.environ.get("HELVETIA_PROGRAMS") or os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                               "../../build/dev/bin")
HELVETIA = os.path.join(PROGRAMS, "helvetia")
HELLO = os.path.join(PROGRAMS, "helvetia-hello")
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
POLL_SECONDS = 0.05


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def eventually(check, seconds, what):
    """Asks until check() gives something true, and returns that; AssertionError with the last answer after the time."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = check()
            if last:
                return last
        except (OSError, http.client.HTTPException, KeyError, IndexError, AssertionError) as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not so within {seconds} s: {what}; last: {last!r}")
        time.sleep(POLL_SECONDS)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def trusting_context():
    """TLS that trusts anybody, and never reads the system's authorities: that takes 15 ms, more than the request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class PublicConnection(http.client.HTTPSConnection):
    """HTTPS to a host name of the platform, over loopback and without trusting a certificate authority."""

    public_context = trusting_context()

    def __init__(self, host, port, timeout):
        super().__init__(host, port, timeout=timeout, context=self.public_context)
        self.public_host = host

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self.public_context.wrap_socket(raw, server_hostname=self.public_host)


class Platform:
    """One `helvetia up` with a state folder, ports and a Docker Engine of its own."""

    def __init__(self, options=(), engine="embedded", state=None, sample=False):
        self.sample = sample
        self.state = state or tempfile.mkdtemp(prefix="helvetia-e2e-")
        self.options = list(options)
        self.engine = engine
        self.http_port, self.https_port, self.api_port = free_ports(3)
        self.process = None
        self.output = None
        self.endpoints = None

    def start(self, seconds=180):
        path = os.path.join(self.state, "endpoints.json")
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        command = [HELVETIA, "up", "--state", self.state, "--docker-host", self.engine,
                   "--http-port", str(self.http_port), "--https-port", str(self.https_port),
                   "--api-port", str(self.api_port)]
        if not self.sample:
            command.append("--no-sample")
        if os.environ.get("HELVETIA_TRAEFIK"):
            command += ["--traefik", os.environ["HELVETIA_TRAEFIK"]]
        environment = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
        if self.output:
            self.output.close()
        self.output = open(os.path.join(self.state, "up.out"), "ab")
        self.process = subprocess.Popen(command + self.options, stdout=self.output, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, env=environment, start_new_session=True)

        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"`helvetia up` ended with {self.process.returncode}:\n{self.said()}")
            return os.path.exists(path)

        eventually(ready, seconds, "`helvetia up` is ready")
        self.read_endpoints()
        return self

    def read_endpoints(self):
        with open(os.path.join(self.state, "endpoints.json"), encoding="utf-8") as file:
            self.endpoints = json.load(file)
        with open(self.endpoints["tokenFile"], encoding="utf-8") as file:
            self.token = file.read().strip()

    def said(self):
        with open(os.path.join(self.state, "up.out"), encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def interrupt(self, seconds=120):
        """Ctrl-C, and waiting for the end."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(seconds)
        return self.process.returncode if self.process else None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pids(self):
        self.read_endpoints()
        return self.endpoints["pids"]

    def signal(self, name, number):
        os.kill(self.pids()[name], number)

    def close(self, failed=False):
        if failed:
            self.show_logs()
        try:
            self.interrupt()
        except subprocess.TimeoutExpired:
            self.kill()
        subprocess.run([HELVETIA, "down", "--state", self.state, "--purge", "--yes"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False, timeout=120)
        self.output.close()
        shutil.rmtree(self.state, ignore_errors=True)

    def show_logs(self):
        for path in sorted(glob.glob(os.path.join(self.state, "log", "*.log"))) + [os.path.join(self.state, "up.out")]:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()[-60:]
            print(f"--- {os.path.basename(path)}", *lines, sep="\n", file=sys.stderr)

    # --- the API ---------------------------------------------------------------------------------------------------

    def api(self, method, path, body=None, content_type="application/json", token=None, headers=None, timeout=30):
        """(status, decoded JSON or text)."""
        address = urllib.parse.urlsplit(self.endpoints["api"])
        context = ssl.create_default_context(cafile=self.endpoints["caFile"])
        connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=timeout, context=context)
        sent = {"Authorization": f"Bearer {self.token if token is None else token}"}
        if body is not None:
            sent["Content-Type"] = content_type
            if not isinstance(body, (str, bytes)):
                body = json.dumps(body)
        if token == "":
            del sent["Authorization"]
        sent.update(headers or {})
        try:
            connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=sent)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    def apply(self, *objects, query="?force=true"):
        """POST /apply of objects or of one YAML text, taking over what a patch owns; the answer's items."""
        body = objects[0] if isinstance(objects[0], (str, bytes)) else "\n".join(json.dumps(each) for each in objects)
        status, answer = self.api("POST", "/apply" + query, body, "application/yaml")
        assert status == 200, f"apply answered {status}: {answer}"
        return answer["items"]

    def service(self, name, namespace="default"):
        status, answer = self.api("GET", f"/apis/helvetia.cloud/v1/namespaces/{namespace}/services/{name}")
        assert status in (200, 404), f"service {name}: {status} {answer}"
        return answer if status == 200 else None

    def deployments(self, name, namespace="default"):
        """Of one Service, oldest first."""
        _, answer = self.api("GET", f"/apis/helvetia.cloud/v1/namespaces/{namespace}/deployments")
        return sorted((each for each in answer["items"] if each["spec"]["service"] == name),
                      key=lambda each: each["spec"]["revision"])

    def events(self, name, namespace="default"):
        _, answer = self.api("GET", f"/api/v1/namespaces/{namespace}/events")
        return [each for each in answer["items"] if each["involvedObject"]["name"].startswith(name)]

    def patch(self, name, spec, namespace="default"):
        status, answer = self.api("PATCH", f"/apis/helvetia.cloud/v1/namespaces/{namespace}/services/{name}",
                                  {"spec": spec}, "application/merge-patch+json")
        assert status == 200, f"patch {name}: {status} {answer}"
        return answer

    def delete(self, name, namespace="default"):
        status, answer = self.api("DELETE", f"/apis/helvetia.cloud/v1/namespaces/{namespace}/services/{name}")
        assert status == 200, f"delete {name}: {status} {answer}"

    def ready(self, name, namespace="default"):
        """The Service when its status speaks of its generation and Ready is True; else None."""
        service = self.service(name, namespace)
        if not service:
            return None
        status = service.get("status", {})
        ready = condition(service, "Ready")
        if status.get("observedGeneration", 0) < service["metadata"]["generation"] or not ready:
            return None
        return service if ready["status"] == "True" else None

    def wait_ready(self, name, seconds=60, namespace="default"):
        try:
            return eventually(lambda: self.ready(name, namespace), seconds, f"service {name} is Ready")
        except AssertionError as error:
            raise AssertionError(f"{error}; status: {json.dumps((self.service(name) or {}).get('status'))}") from None

    def command(self, *words, check=True):
        """`helvetia WORDS`: (exit code, standard output, standard error)."""
        done = subprocess.run([HELVETIA, *words, "--state", self.state], capture_output=True, text=True, timeout=180,
                              check=False)
        if check:
            assert done.returncode == 0, f"helvetia {' '.join(words)}: {done.returncode}: {done.stderr}{done.stdout}"
        return done.returncode, done.stdout, done.stderr

    # --- visitors --------------------------------------------------------------------------------------------------

    def visit(self, name, path="/", timeout=5, method="GET", body=None):
        """(status, text) of one request to https://NAME.DOMAIN/ over a connection of its own."""
        host = name if "." in name else f"{name}.{self.endpoints['domain']}"
        connection = PublicConnection(host, self.https_port, timeout)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def page(self, name, path="/", secure=True, headers=None, timeout=5):
        """(status, headers, text) of one GET by the public way, over HTTPS or plain HTTP."""
        host = name if "." in name else f"{name}.{self.endpoints['domain']}"
        if secure:
            connection = PublicConnection(host, self.https_port, timeout)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": host, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def version(self, name):
        status, text = self.visit(name, "/version")
        return text.strip() if status == 200 else None

    # --- the engine ------------------------------------------------------------------------------------------------

    def docker(self, method, path, body=None, content_type="application/json", raw=False):
        connection = UnixConnection(self.endpoints["dockerHost"].removeprefix("unix://"))
        headers = {"Content-Type": content_type} if body is not None else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, "/v1.41" + path, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise AssertionError(f"docker {method} {path}: {response.status} {data[:300]!r}")
        return data if raw or not data else json.loads(data) if data[:1] in b"[{" else data

    def containers(self, name, running=None):
        """Containers of a Service, by name."""
        filters = urllib.parse.quote(json.dumps({"label": [f"cloud.helvetia.service={name}"]}))
        found = self.docker("GET", f"/containers/json?all=true&filters={filters}")
        found = found if isinstance(found, list) else []
        if running is not None:
            found = [each for each in found if (each["State"] == "running") == running]
        return sorted(found, key=lambda each: each["Names"])

    def image(self, tag, version, labels=None, volumes=(), **environment):
        """An image `tag` of the hello application that answers `version`; no registry is asked."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(HELLO, "hello", filter=lambda info: setattr(info, "mode", 0o755) or info)
        changes = ["ENTRYPOINT [\"/hello\"]", f"ENV VERSION={version}"]
        changes += [f"ENV {key}={value}" for key, value in environment.items()]
        changes += [f"LABEL {key}={value}" for key, value in (labels or {}).items()]
        changes += [f"VOLUME {path}" for path in volumes]
        return self.load_image(tag, archive, changes)

    def shell_image(self, tag):
        """The same with a shell and small tools (busybox), in which `RUN` steps can run."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, name in ((HELLO, "hello"), (shutil.which("busybox"), "bin/busybox")):
                tar.add(path, name, filter=lambda info: setattr(info, "mode", 0o755) or info)
            for name in ("sh", "nc", "tail"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        return self.load_image(tag, archive, ["ENTRYPOINT [\"/hello\"]", "ENV PATH=/bin"])

    def load_image(self, tag, archive, changes):
        repository, _, name = tag.partition(":")
        query = urllib.parse.urlencode([("fromSrc", "-"), ("repo", repository), ("tag", name or "latest")] +
                                       [("changes", change) for change in changes])
        self.docker("POST", "/images/create?" + query, archive.getvalue(), "application/x-tar", raw=True)
        return tag


def condition(object_, kind):
    for each in object_.get("status", {}).get("conditions", []):
        if each["type"] == kind:
            return each
    return None


def service(name, image, namespace="default", **spec):
    return {"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": {"image": image, **spec}}


class Load:
    """Visitors that send requests all the time: kept connections, new connections, GET and POST. Every answer that isn't
    200 with the application's own text, and every connection that breaks, is a failure."""

    def __init__(self, platform, name, visitors=4, pause=0.002):
        self.platform = platform
        self.name = name
        self.pause = pause
        self.requests = 0
        self.failures = []
        self.versions = []  # in the order in which they were first seen
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.visit_always, args=(number,), daemon=True)
                        for number in range(visitors)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)

    def visit_always(self, number):
        kept = None
        while not self.ending.is_set():
            try:
                if number % 2 == 0 or kept is None:
                    if kept:
                        kept.close()
                    kept = PublicConnection(f"{self.name}.{self.platform.endpoints['domain']}",
                                            self.platform.https_port, 10)
                self.one(kept)
            except (OSError, http.client.HTTPException) as error:
                self.note(f"{type(error).__name__}: {error}", None)
                kept = None
            self.ending.wait(self.pause)
        if kept:
            kept.close()

    def one(self, connection):
        connection.request("GET", "/version")
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace").strip()
        if response.status == 200:
            self.note(None, text)
        else:
            self.note(f"{response.status}: {text[:100]}", None)

    def note(self, failure, version):
        with self.lock:
            self.requests += 1
            if failure:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {failure}")
            elif version not in self.versions:
                self.versions.append(version)


class Scenario(unittest.TestCase):
    """A platform for all tests of the class; `self.platform`."""

    options = ()
    engine = "embedded"

    @classmethod
    def setUpClass(cls):
        say(f"{cls.__name__}: starting a platform")
        cls.platform = Platform(cls.options, cls.engine)
        cls.broken = False
        try:
            cls.platform.start()
        except BaseException:
            cls.platform.close(failed=True)
            raise
        say(f"{cls.__name__}: ready")

    @classmethod
    def tearDownClass(cls):
        cls.platform.close(cls.broken)

    def setUp(self):
        say(f"  {self.id().split('.')[-1].replace('_', ' ')}")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).broken = True
        return result


def main():
    unittest.main(verbosity=0, module="__main__", failfast=bool(os.environ.get("HELVETIA_FAILFAST")))
