#!/usr/bin/env python3
"""From a push to a live page: a repository over real smart HTTP, real BullMQ jobs, a real build, signed deliveries."""
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from git_server import GitServer
from harness import Load, PublicConnection, Scenario, condition, eventually, main, say

PUSHES = int(os.environ.get("HELVETIA_PUSHES", "20"))
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
        for name, text in files.items():
            with open(os.path.join(self.work, name.replace("__", ".")), "w", encoding="utf-8") as file:
                file.write(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "origin", "main")
        return before, self.head()

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

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="helvetia-e2e-git-")
        cls.server = GitServer(cls.folder)
        cls.server.start()
        cls.options = ("--allow-repository-prefix", cls.server.url)
        super().setUpClass()
        cls.platform.image("push-base:1", "base")
        cls.repository = Repository(cls.server, "app")
        with open(cls.platform.endpoints["webhookSecretFile"], encoding="utf-8") as file:
            cls.secret = file.read().strip()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.server.stop()
        cls.repository.remove()
        shutil.rmtree(cls.folder, ignore_errors=True)

    # --- deliveries ------------------------------------------------------------------------------------------------

    def deliver(self, before, after, repository=None, ref="refs/heads/main", event="push", secret=None, body=None,
                delivery=None):
        """A delivery as GitHub sends it, through Traefik at api.DOMAIN: (status, text)."""
        repository = repository or self.repository
        body = body if body is not None else json.dumps(
            {"ref": ref, "before": before, "after": after, "created": before == ZERO, "deleted": after == ZERO,
             "forced": False, "repository": {"full_name": "e2e/app", "clone_url": repository.url,
                                             "html_url": repository.url.removesuffix(".git")}}).encode()
        signature = hmac.new((self.secret if secret is None else secret).encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
                   "X-Hub-Signature-256": f"sha256={signature}"}
        host = f"api.{self.platform.endpoints['domain']}"
        self.assertTrue(self.platform.endpoints["webhookUrl"].startswith(f"https://{host}:"))
        connection = PublicConnection(host, self.platform.https_port, 30)
        try:
            connection.request("POST", "/webhooks/github", body,
                               {"Content-Type": "application/json", "Host": host, **headers})
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


class Push(Repositories):
    def built(self):
        return sum(each["status"].get("phase") == "SUCCESS" for each in self.builds())

    # --- the main way ----------------------------------------------------------------------------------------------

    def test_01_a_repository_goes_live(self):
        self.repository.version("v0")
        self.platform.apply(manifest("app", self.repository))
        self.sees("v0", 90)
        self.platform.wait_ready("app")
        spec = self.platform.service("app")["spec"]
        self.assertEqual(spec["commit"], self.repository.head())

    def test_02_twenty_pushes_and_no_failed_request(self):
        with Load(self.platform, "app") as load:
            for number in range(1, PUSHES + 1):
                begin = time.monotonic()
                self.push(f"v{number}")
                self.sees(f"v{number}")
                say(f"    v{number} after {time.monotonic() - begin:.2f} s")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")
        self.assertEqual(load.versions, [f"v{number}" for number in range(PUSHES + 1)])

    def test_03_a_storm_ends_with_the_newest_commit(self):
        before = self.built()
        for number in range(20):
            self.push(f"storm{number}")
        self.sees("storm19", 120)
        self.assertLess(self.built() - before, 12, "superseded commits are not built")

    def test_04_a_broken_dockerfile_says_so_and_the_old_one_serves_on(self):
        was = self.platform.version("app")
        before, after = self.repository.commit("broken", Dockerfile="FRM push-base:1\n")
        self.deliver(before, after)
        failed = eventually(lambda: next((each for each in self.platform.deployments("app")[-1:]
                                          if each["status"]["phase"] == "FAILED"), None), 60, "it has FAILED")
        self.assertEqual(failed["status"]["reason"], "BuildFailed")
        self.assertIn("FRM", failed["status"]["message"])
        self.assertEqual(self.platform.version("app"), was)
        self.push("mended")
        self.sees("mended")

    def test_05_an_unchanged_tree_restarts_nothing(self):
        eventually(lambda: len(self.platform.containers("app")) == 1, 60, "older revisions are drained")
        containers = [each["Id"] for each in self.platform.containers("app", running=True)]
        before, after = self.repository.commit("nothing")
        self.deliver(before, after)
        eventually(lambda: self.platform.service("app")["spec"]["commit"] == after and
                   self.platform.deployments("app")[-1]["status"].get("reason") == "Unchanged", 60,
                   "the commit is recorded as Unchanged")
        self.assertEqual([each["Id"] for each in self.platform.containers("app", running=True)], containers)

    def test_06_a_wrong_signature_changes_nothing(self):
        before, after = self.repository.version("unsigned")
        status, _ = self.deliver(before, after, secret="wrong")
        self.assertEqual(status, 401)
        commit = self.platform.service("app")["spec"]["commit"]
        self.assertNotEqual(commit, after)
        status, _ = self.deliver(before, after)
        self.assertEqual(status, 200)
        self.sees("unsigned")

    def test_07_a_late_delivery_reads_the_head_instead(self):
        first = self.repository.version("late1")
        second = self.repository.version("late2")
        self.deliver(*second)  # its `before` is unknown here
        self.sees("late2")
        self.deliver(*first)  # replayed and late: the head stays
        eventually(lambda: condition(self.platform.service("app"), "Ready")["status"] == "True", 60, "Ready")
        self.assertEqual(self.platform.version("app"), "late2")

    def test_08_roll_back_without_a_build(self):
        revision = self.platform.deployments("app")[-1]["spec"]["revision"]
        self.push("worse")
        self.sees("worse")
        builds = len(self.builds())
        self.platform.command("rollback", "app", str(revision))
        self.sees("late2")
        self.assertEqual(len(self.builds()), builds)
        self.push("better")
        self.sees("better")

    # --- plugs that are pulled -------------------------------------------------------------------------------------

    def redis(self, *words):
        url = self.platform.endpoints["redisUrl"]
        return subprocess.run(["redis-cli", "--no-auth-warning", "-u", url, *words], check=True, text=True,
                              capture_output=True).stdout

    def test_11_the_queue_is_flushed(self):
        os.kill(self.platform.pids()["worker"], signal.SIGSTOP)
        worker = self.platform.pids()["worker"]
        try:
            self.push("flushed")
            eventually(lambda: self.platform.deployments("app")[-1]["status"]["phase"] == "BUILDING", 30, "it waits")
            self.redis("FLUSHALL")
        finally:
            os.kill(worker, signal.SIGCONT)
        self.sees("flushed", 90)

    def test_12_the_worker_is_killed(self):
        before, after = self.repository.commit("slow", Dockerfile="FROM push-base:1\nENV VERSION=killed\n")
        self.deliver(before, after)
        os.kill(self.platform.pids()["worker"], signal.SIGKILL)
        self.sees("killed", 90)

    def test_13_the_controller_is_killed(self):
        self.push("orphan")
        os.kill(self.platform.pids()["controller"], signal.SIGKILL)
        self.sees("orphan", 90)

    def test_14_the_git_host_is_away(self):
        before, after = self.repository.version("away")
        self.server.outage = True
        try:
            self.deliver(before, after)
            eventually(lambda: self.platform.deployments("app")[-1]["status"].get("message") or None, 60,
                       "the reason of waiting is said")
            self.assertEqual(self.platform.deployments("app")[-1]["status"]["phase"], "BUILDING")
        finally:
            self.server.outage = False
        self.sees("away", 120)

    def test_20_delete_while_building(self):
        self.push("deleted")
        self.platform.delete("app")
        eventually(lambda: self.platform.service("app") is None, 90, "the Service is gone")
        eventually(lambda: not self.platform.containers("app"), 30, "its containers are gone")


class Refused(Repositories):
    """Sources that can't be had end with one sentence."""

    def refused(self, name, **spec):
        self.platform.apply({"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": name},
                             "spec": {"repoUrl": self.repository.url, "branch": "main", **spec}})

        def look():
            ready = condition(self.platform.service(name), "Ready")
            return ready if ready and ready["status"] == "False" and ready["reason"] == "SourceFailed" else None
        return eventually(look, 60, f"{name} says SourceFailed")["message"]

    def test_1_no_such_branch(self):
        self.repository.version("v0")
        self.assertIn("nowhere", self.refused("nobranch", branch="nowhere"))

    def test_2_no_such_repository(self):
        self.assertIn("nothing.git", self.refused("norepository", repoUrl=f"{self.server.url}/nothing.git"))

    def test_3_no_such_commit(self):
        self.assertIn("0123456", self.refused("nocommit", commit="0123456789" * 4))

    def test_4_nothing_that_could_be_run(self):
        self.repository.commit("empty", README__md="nothing to run\n")
        self.repository.git("rm", "-q", "Dockerfile")
        self.repository.commit("no Dockerfile")
        self.assertIn("Dockerfile", self.refused("nothing"))


if __name__ == "__main__":
    main()
