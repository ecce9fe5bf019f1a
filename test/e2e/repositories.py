"""Scenarios that begin in Git: a platform, a Git server over real smart HTTP that it may read, signed deliveries, and the
state of everything that one Service left behind."""
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import uuid

import webhook_payloads
from git_server import GitServer
from harness import PublicConnection, Scenario, eventually

ZERO = "0" * 40


class Repository:
    """A bare repository that the server serves, and a clone to commit in."""

    def __init__(self, server, name):
        self.url = f"{server.url}/{name}.git"
        self.bare = os.path.join(server.root, f"{name}.git")
        self.work = tempfile.mkdtemp(prefix="helvetia-e2e-repository-")
        self.git("init", "-q", "--bare", "-b", "main", self.bare, cwd=server.root)
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", self.bare)

    def git(self, *words, cwd=None):
        environment = {**os.environ, "GIT_AUTHOR_NAME": "e2e", "GIT_AUTHOR_EMAIL": "e2e@example.com",
                       "GIT_COMMITTER_NAME": "e2e", "GIT_COMMITTER_EMAIL": "e2e@example.com",
                       "GIT_CONFIG_GLOBAL": "/dev/null"}
        return subprocess.run(["git", *words], cwd=cwd or self.work, env=environment, check=True, text=True,
                              capture_output=True).stdout.strip()

    def head(self):
        return self.git("rev-parse", "HEAD")

    def commit(self, message="change", **files):
        """Writes files (dots in names as __), pushes, and gives (before, after)."""
        try:
            before = self.head()
        except subprocess.CalledProcessError:
            before = ZERO
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "origin", "main")
        return before, self.head()

    def write(self, **files):
        for name, text in files.items():
            with open(os.path.join(self.work, name.replace("__", ".")), "w", encoding="utf-8") as file:
                file.write(text)

    def version(self, version):
        return self.commit(version, Dockerfile=f"FROM push-base:1\nENV VERSION={version}\n")

    def remove(self):
        shutil.rmtree(self.work, ignore_errors=True)


def manifest(name, repository, **spec):
    spec.setdefault("strategy", {"drainSeconds": 1, "minReadySeconds": 0})
    return {"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"repoUrl": repository.url, "branch": "main", **spec}}


class Repositories(Scenario):
    """A platform, a Git server that it may read, and one repository on it."""

    workers = []
    worker_argv = None
    controllers = []
    controller_argv = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="helvetia-e2e-git-")
        cls.server = GitServer(cls.folder)
        cls.server.start()
        cls.options = ("--allow-repository-prefix", cls.server.url)
        cls.faults = tempfile.mkdtemp(prefix="helvetia-e2e-faults-")
        os.environ["HELVETIA_FAULTS"] = cls.faults  # lib/base/fault.h: inherited by every process of the platform
        try:
            super().setUpClass()
        finally:
            del os.environ["HELVETIA_FAULTS"]
        cls.platform.image("push-base:1", "base")
        cls.repository = Repository(cls.server, "app")
        with open(cls.platform.endpoints["webhookSecretFile"], encoding="utf-8") as file:
            cls.secret = file.read().strip()

    @classmethod
    def tearDownClass(cls):
        for each in cls.workers + cls.controllers:
            each.kill()
            each.wait()
        super().tearDownClass()
        cls.server.stop()
        cls.repository.remove()
        shutil.rmtree(cls.folder, ignore_errors=True)
        shutil.rmtree(cls.faults, ignore_errors=True)

    # --- faults ----------------------------------------------------------------------------------------------------

    def arm(self, fault):
        """A fault POINT.ACTION that the next process that comes by obeys; gives a function that tells whether one has."""
        path = os.path.join(self.faults, fault)
        with open(path, "w", encoding="utf-8"):
            pass
        self.addCleanup(lambda: os.path.exists(path) and os.remove(path))
        return lambda: not os.path.exists(path)

    @classmethod
    def more_workers(cls, count):
        """So many workers of our own beside the platform's, the dead ones replaced: who kills workers again and again
        would wait for the supervisor's growing pauses."""
        cls.workers = [each for each in cls.workers if each.poll() is None]
        pid = cls.platform.pids()["worker"]
        if cls.worker_argv is None:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                cls.worker_argv = file.read().split("\0")[:-1]
        while len(cls.workers) < count:
            with open(os.path.join(cls.platform.state, "log", "more-workers.log"), "ab") as log:
                cls.workers.append(subprocess.Popen(cls.worker_argv, stderr=log, stdin=subprocess.DEVNULL,
                                                    env={**os.environ, "HELVETIA_FAULTS": cls.faults}))

    @classmethod
    def more_controllers(cls, count):
        """So many controllers of our own beside the platform's, the dead ones replaced: they stand by."""
        cls.controllers = [each for each in cls.controllers if each.poll() is None]
        if cls.controller_argv is None:
            with open(f"/proc/{cls.platform.pids()['controller']}/cmdline", encoding="utf-8") as file:
                cls.controller_argv = file.read().split("\0")[:-1]
        while len(cls.controllers) < count:
            number = next(each for each in range(count) if not any(one.number == each for one in cls.controllers))
            socket = os.path.join(cls.platform.state, "run", f"controller-{number}.sock")
            argv = [socket if before == "--socket" else each
                    for before, each in zip([""] + cls.controller_argv, cls.controller_argv)]
            with open(os.path.join(cls.platform.state, "log", f"controller-{number}.log"), "ab") as log:
                cls.controllers.append(subprocess.Popen(argv, stderr=log, stdin=subprocess.DEVNULL,
                                                        env={**os.environ, "HELVETIA_FAULTS": cls.faults}))
            cls.controllers[-1].number = number

    def leader(self):
        """Pid of the controller that leads, as soon as one does."""
        def look():
            pid = int(self.sql("SELECT holder FROM leader")[0][0].rsplit("/", 1)[1])
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # that it is no zombie
                return pid if file.read().rsplit(")", 1)[1].split()[0] not in "ZX" else None
        return eventually(look, 30, "a controller leads")

    def children(self):
        """Pids of the children of all workers."""
        parents = {str(each.pid) for each in self.workers} | {str(self.platform.pids()["worker"])}
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                state = file.read().rsplit(")", 1)[1].split()
                if state[1] in parents and state[0] not in "ZX":
                    found.append(int(pid))
        return found

    @contextlib.contextmanager
    def held(self, point):
        """The worker, or its child, stops at a point until the block ends: a job that takes as long as one likes. Gives
        a function that waits until it has stopped."""
        fired = self.arm(f"{point}.stop")
        try:
            yield lambda: eventually(fired, 60, f"a process stopped at {point}")
        finally:
            for pid in (self.platform.pids()["worker"], *self.children()):
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def away(self, name):
        """A process of the platform is gone, and nobody starts it again before the block ends."""
        os.kill(self.platform.process.pid, signal.SIGSTOP)
        try:
            os.kill(self.platform.pids()[name], signal.SIGKILL)
            yield
        finally:
            os.kill(self.platform.process.pid, signal.SIGCONT)

    # --- what is left ----------------------------------------------------------------------------------------------

    def redis(self, *words):
        url = urllib.parse.urlsplit(self.platform.endpoints["redisUrl"])
        done = subprocess.run(["redis-cli", "-e", "-h", url.hostname, "-p", str(url.port), *words], text=True,
                              capture_output=True, check=False, env={**os.environ, "REDISCLI_AUTH": url.password})
        assert done.returncode == 0, f"redis-cli {words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def sql(self, query):
        """Rows as lists of text."""
        done = subprocess.run(["psql", "-XAtF", "\t", self.platform.endpoints["databaseUrl"], "-c", query], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, f"psql: {done.stderr}"
        return [line.split("\t") for line in done.stdout.splitlines()]

    def queued(self, *lists):
        """How many jobs BullMQ has that have not ended. One that a killed worker had stays active until its lock has run
        out (30 s) and a worker looks for such (each 30 s)."""
        prefix = f"bull:{self.platform.endpoints['queue']}:"
        return sum(int(self.redis("ZCARD" if each in ("delayed", "prioritized") else "LLEN", prefix + each))
                   for each in lists or ("wait", "active", "paused", "delayed", "prioritized"))

    def folders(self, name):
        """Those that containers of a Service mount. (What is left in marks keeps an address from being given again.)"""
        return [each for each in os.listdir(os.path.join(self.platform.state, "containers"))
                if each.startswith(f"{name}-r")]

    def left(self, name):
        """Everything that the last push of a Service leads to, without what differs from push to push: equal after
        every undisturbed one."""
        service = self.platform.service(name)
        newest = self.platform.deployments(name)[-1]
        status = newest["status"]
        build = next((each for each in self.builds() if each["metadata"]["name"] == status.get("build")), None)
        containers = self.platform.containers(name)
        images = self.platform.docker("GET", "/images/json?filters=" + urllib.parse.quote(
            json.dumps({"label": ["helvetia-image.installation"], "dangling": ["false"]}))) or []
        rows = self.sql("SELECT j.state, count(*) FROM jobs j GROUP BY 1 ORDER BY 1")
        return {
            "service": {"phase": service["status"]["phase"],
                        "conditions": sorted((each["type"], each["status"], each["reason"])
                                             for each in service["status"]["conditions"]),
                        "commit": service["spec"]["commit"] == newest["spec"]["commitHash"],
                        "current": service["status"]["currentDeployment"] == newest["metadata"]["name"],
                        "replicas": service["status"].get("replicas")},
            "deployment": {key: status.get(key) for key in ("phase", "stage", "reason", "message")},
            "build": build and {key: build["status"].get(key) for key in ("phase", "reason", "message", "builder")},
            "unended jobs": [row for row in rows if row[0] in ("QUEUED", "RUNNING")],
            "failed jobs": [row for row in rows if row[0] == "FAILED"],
            "queue": self.queued("wait", "paused", "delayed", "prioritized"),
            "workers": len(self.children()),
            "containers": [(each["State"], each["Image"] == status.get("imageId")) for each in containers],
            "folders": len(self.folders(name)),
            "tagged": any(status.get("imageId") == each["Id"] for each in images),
            "stray images": [each["RepoTags"] for each in images
                             if each["Id"] not in {one["status"].get("imageId") for one in self.builds()}],
        }

    # --- deliveries ------------------------------------------------------------------------------------------------

    def deliver(self, before, after, repository=None, secret=None, **more):
        """A push of main as GitHub sends it, through Traefik at api.DOMAIN: (status, text)."""
        body = json.dumps(webhook_payloads.push((repository or self.repository).url, before, after)).encode()
        return self.send(body, self.signature(body, secret), **more)

    def signature(self, body, secret=None):
        return "sha256=" + hmac.new((secret or self.secret).encode(), body, hashlib.sha256).hexdigest()

    def send(self, body, signature, event="push", delivery=None, content_type="application/json", direct=False,
             headers=None):
        """One delivery, signed or not, through Traefik or straight to the API: (status, text)."""
        sent = {"Content-Type": content_type, "User-Agent": "GitHub-Hookshot/044aadd", "Accept": "*/*",
                "X-GitHub-Delivery": delivery or str(uuid.uuid4()), "X-GitHub-Event": event,
                "X-GitHub-Hook-ID": "109948940", "X-GitHub-Hook-Installation-Target-ID": "35129377",
                "X-GitHub-Hook-Installation-Target-Type": "repository", **(headers or {})}
        if signature:
            sent["X-Hub-Signature-256"] = signature
        host = f"api.{self.platform.endpoints['domain']}"
        port = self.platform.api_port if direct else self.platform.https_port
        self.assertTrue(self.platform.endpoints["webhookUrl"].startswith(f"https://{host}:"))
        connection = PublicConnection(host, port, 30)
        try:
            connection.request("POST", "/webhooks/github", body, {"Host": host, **sent})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def push(self, version):
        before, after = self.repository.version(version)
        status, answer = self.deliver(before, after)
        self.assertEqual(status, 200, answer)
        return after

    def sees(self, version, seconds=60):
        try:
            eventually(lambda: self.platform.version("app") == version, seconds, f"visitors see {version}")
        except AssertionError as error:
            status = json.dumps((self.platform.service("app") or {}).get("status"))
            rows = json.dumps([each["status"] for each in self.platform.deployments("app")[-3:]])
            raise AssertionError(f"{error}; status: {status}; newest: {rows}") from None

    def builds(self):
        _, answer = self.platform.api("GET", "/apis/helvetia.cloud/v1/namespaces/default/builds")
        return answer["items"]


class Disturbed(Repositories):
    """A Service that was pushed to once without a fault; `wanted` is what that left."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.number = 0
        try:
            cls.repository.version("v0")
            cls.platform.apply(manifest("app", cls.repository))
            self = cls("sees")
            self.sees("v0", 90)
            self.sees(self.next())
            self.platform.wait_ready("app")
            eventually(lambda: len(cls.platform.containers("app")) == 1 and len(self.folders("app")) == 1 and
                       not self.queued() and not self.children(), 60, "it has settled")
            cls.wanted = self.left("app")
            self.assertEqual((cls.wanted["deployment"]["phase"], cls.wanted["build"]["phase"]), ("SUCCESS", "SUCCESS"))
            for what in ("unended jobs", "failed jobs", "stray images"):
                self.assertEqual(cls.wanted[what], [])
        except BaseException:
            cls.broken = True
            cls.tearDownClass()
            raise

    def next(self):
        """Pushes the next version, and tells which."""
        type(self).number += 1
        version = f"v{self.number}"
        self.push(version)
        return version

    def settles(self, seconds=60):
        """Waits until everything is as after an undisturbed push."""
        last = []

        def same():
            last[:] = [self.left("app")]
            return last[0] == self.wanted
        try:
            eventually(same, seconds, "everything is as after an undisturbed push")
        except AssertionError as error:
            self.assertEqual(last and last[0], self.wanted, str(error))
            raise
