"""Secrets: their values reach containers, roll out, are rolled back to, and are nowhere else."""
import base64
import glob
import json
import os
import pty
import shutil
import socket
import subprocess
import urllib.parse

import harness
from harness import condition, eventually, service
from repositories import Repositories, manifest

SECRETS = "/api/v1/namespaces/default/secrets"
FIRST = "walnut first/value+1"
SECOND = "walnut second/value+2"
OTHER = "pear other/value+3"
VALUES = [FIRST, SECOND, OTHER]


def shapes(value):
    """How a value may be written."""
    data = value.encode()
    return {data, base64.b64encode(data), base64.urlsafe_b64encode(data), urllib.parse.quote(value, safe="").encode(),
            urllib.parse.quote_plus(value).encode(), data.hex().encode(), json.dumps(value)[1:-1].encode(),
            value.replace("/", "\\/").encode()}


def found(data):
    return [shape for value in VALUES for shape in shapes(value) if shape in data]


class Secrets(Repositories):

    def tell(self, *words, value="", code=0):
        """`helvetia secret WORDS` with this on standard input; what it says."""
        done = subprocess.run([harness.HELVETIA, "secret", *words, "--state", self.platform.state], text=True,
                              input=value, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.refuse("what the command says", (done.stdout + done.stderr).encode())
        return done.stdout + done.stderr

    def set(self, name, values):
        for key, value in values.items():
            self.tell("set", name, key, value=value)

    def env(self, name, variable="TOKEN"):
        status, text = self.platform.visit(name, f"/env?name={variable}")
        return text if status == 200 else None

    def wait_env(self, name, value, variable="TOKEN", seconds=60):
        eventually(lambda: self.env(name, variable) == value, seconds, f"{variable} of {name} is as it was set")

    def revision(self, name):
        return self.platform.deployments(name)[-1]["spec"]["revision"]

    def app(self, **spec):
        return service("safe", "safe:1", env=[{"name": "TOKEN", "secretRef": {"name": "keys", "key": "token"}}], **spec)

    def test_0_values_come_from_where_nobody_sees_them(self):
        self.tell("set", "words", "one", "two", value=f"{FIRST}\n{SECOND}\n")
        path = os.path.join(self.platform.state, "value")
        with open(path, "w", encoding="utf-8") as file:
            file.write(OTHER)
        self.tell("set", "words", "--from-file", f"three={path}", "--from-file", path)
        os.remove(path)
        self.assertRegex(self.tell("list"), r"words +Opaque +\S+ +one two three value")
        self.assertIn("no line for", self.tell("set", "words", "one", "two", value="x\n", code=2))
        self.assertIn("empty", self.tell("set", "words", "one", value="\n", code=2))
        self.assertIn("not from the command line", self.tell("set", "words", f"one={FIRST}", code=2))
        self.assertIn("no key none", self.tell("delete", "words", "none", code=3))
        self.tell("delete", "words", "one", "two", "value")
        self.assertRegex(self.tell("list", "words"), r"words +Opaque +\S+ +three\n")
        self.assertIn("must consist", self.tell("set", "words", "a b", value="x", code=8))
        self.assertIn("not found", self.tell("delete", "nothing", code=3))
        self.prompted()
        self.tell("delete", "words")

    def prompted(self):
        """A terminal is asked, and shows nothing of what is typed."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([harness.HELVETIA, "secret", "set", "words", "typed", "--state", self.platform.state],
                              stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            while b"typed: " not in shown:
                shown += os.read(ours, 1024)
            os.write(ours, SECOND.encode() + b"\n")
            while b"1 key set" not in shown:
                shown += os.read(ours, 1024)
            self.assertEqual(process.wait(30), 0)
        os.close(ours)
        self.refuse("the terminal", shown)

    def test_1_missing_is_said_and_heals(self):
        self.platform.image("safe:1", "one")
        self.platform.apply(self.app())

        def failed():
            ready = condition(self.platform.service("safe"), "Ready")
            return ready and ready["reason"] == "SecretMissing" and ready["message"]

        message = eventually(failed, 30, "Ready is False with SecretMissing")
        for word in ("TOKEN", "token", "keys", "helvetia secret set keys token"):
            self.assertIn(word, message)
        self.set("keys", {"other": OTHER})
        eventually(failed, 30, "another key does not help")
        self.set("keys", {"token": FIRST})
        self.platform.wait_ready("safe")
        self.wait_env("safe", FIRST)

    def test_2_a_new_value_rolls_out_and_nothing_else_does(self):
        before = self.revision("safe")
        self.set("keys", {"token": FIRST})  # the same
        self.set("keys", {"other": "walnut of no interest"})  # a key that it does not use
        with harness.Load(self.platform, "safe") as load:
            self.set("keys", {"token": SECOND})
            self.wait_env("safe", SECOND)
            eventually(lambda: len(self.platform.containers("safe")) == 1, 60, "the old container is gone")
        self.assertEqual(load.failures, [])
        self.assertEqual(self.revision("safe"), before + 1)
        self.platform.wait_ready("safe")

    def test_3_what_is_made_again_has_its_value(self):
        old = self.platform.containers("safe")[0]["Id"]
        self.platform.docker("DELETE", f"/containers/{old}?force=true", raw=True)
        eventually(lambda: [each["Id"] for each in self.platform.containers("safe", running=True)] not in ([], [old]),
                   60, "another container runs")
        self.wait_env("safe", SECOND)

    def test_3_without_the_key_file_it_says_so(self):
        path = os.path.join(self.platform.state, "secrets", "secret-keys")
        os.rename(path, path + ".aside")
        try:
            old = self.platform.containers("safe")[0]["Id"]
            self.platform.docker("DELETE", f"/containers/{old}?force=true", raw=True)
            eventually(lambda: [each for each in self.platform.events("safe") if each["reason"] == "ActionFailed" and
                                path in each["message"]], 60, "an Event names the key file")
        finally:
            os.rename(path + ".aside", path)
        self.wait_env("safe", SECOND, seconds=120)  # it is tried again after pauses that grow
        self.platform.wait_ready("safe")

    def test_4_rollback_has_the_value_of_then(self):
        succeeded = [each["spec"]["revision"] for each in self.platform.deployments("safe")
                     if each["status"]["phase"] == "SUCCESS"]
        self.assertEqual(len(succeeded), 2)
        self.platform.command("rollback", "safe", str(succeeded[0]))
        self.wait_env("safe", FIRST)
        self.platform.wait_ready("safe")
        # Whatever changes what is wanted releases the rollback; a new value does.
        self.set("keys", {"token": SECOND + "!"})
        self.wait_env("safe", SECOND + "!")
        self.platform.wait_ready("safe")

    def test_5_a_deleted_secret_is_said_and_serves_on(self):
        status, _ = self.platform.api("DELETE", f"{SECRETS}/keys")
        self.assertEqual(status, 200)

        def said():
            ready = condition(self.platform.service("safe"), "Ready")
            return ready["status"] == "False" and ready["reason"] == "SecretMissing" and ready["message"]

        self.assertIn("keys", eventually(said, 30, "Ready is False with SecretMissing"))
        self.assertEqual(condition(self.platform.service("safe"), "Available")["status"], "True")
        old = self.platform.containers("safe")[0]["Id"]
        self.platform.docker("DELETE", f"/containers/{old}?force=true", raw=True)
        self.wait_env("safe", SECOND + "!")
        self.set("keys", {"token": FIRST})
        self.wait_env("safe", FIRST)
        self.platform.wait_ready("safe")
        eventually(lambda: len(self.platform.containers("safe")) == 1, 60, "the old container is gone")

    # --- builds -----------------------------------------------------------------------------------------------------

    # As the generator writes it; then all ways in which a program may show what it has.
    DOCKERFILE = r"""FROM secret-shell:1
ENV VERSION=%s
ARG HELVETIA_SECRETS_VERSION
RUN --mount=type=secret,id=BUILD_TOKEN,required=true ["/bin/sh","-euc","BUILD_TOKEN=\"$(busybox cat /run/secrets/BUILD_TOKEN && printf x)\"; export BUILD_TOKEN=\"${BUILD_TOKEN%%x}\"; busybox env; printf %%s \"$BUILD_TOKEN\" | busybox wc -c; printf %%s \"x$BUILD_TOKEN\" | busybox base64"]
RUN --mount=type=secret,id=BUILD_TOKEN,required=true busybox head -c 9 /run/secrets/BUILD_TOKEN; busybox sleep 0.4; busybox tail -c +10 /run/secrets/BUILD_TOKEN; echo; busybox cat /run/secrets/BUILD_TOKEN >&2; busybox sed 's/ /%%20/; s,/,%%2F,; s/+/%%2B/' /run/secrets/BUILD_TOKEN; echo; busybox test ! -e /run/secrets/OTHER
RUN busybox test ! -e /run/secrets/BUILD_TOKEN
%s
"""

    def build_log(self):
        return self.platform.command("logs", "--build", "app")[1]

    def built(self, version, more=""):
        self.repository.commit(version, Dockerfile=self.DOCKERFILE % (version, more))

    def test_5_builds_get_what_they_are_given_and_tell_nothing(self):
        self.platform.shell_image("secret-shell:1")
        self.set("build-keys", {"token": FIRST})
        self.built("one")
        env = [{"name": "BUILD_TOKEN", "secretRef": {"name": "build-keys", "key": "token"}, "scope": "both"},
               {"name": "OTHER", "secretRef": {"name": "build-keys", "key": "token"}}]
        self.platform.apply(manifest("app", self.repository, env=env))
        self.platform.wait_ready("app", 120)
        log = self.build_log()
        self.refuse("the build's log", log.encode())
        self.assertIn("BUILD_TOKEN=***", log)
        self.assertRegex(log, rf" {len(FIRST)}\n")
        self.assertGreaterEqual(log.count("***"), 5)
        self.wait_env("app", FIRST, "BUILD_TOKEN")
        self.wait_env("app", FIRST, "OTHER")
        image = self.platform.deployments("app")[-1]["status"]["imageId"]
        self.refuse("the image", json.dumps(self.platform.docker("GET", f"/images/{image}/history")).encode())
        self.refuse("the image", json.dumps(self.platform.docker("GET", f"/images/{image}/json")).encode())

    def test_5_new_values_are_built_anew(self):
        before = self.platform.deployments("app")[-1]
        self.set("build-keys", {"token": SECOND})
        self.wait_env("app", SECOND, "BUILD_TOKEN", 120)
        after = self.platform.deployments("app")[-1]
        self.assertNotEqual(before["status"]["build"], after["status"]["build"])
        log = self.build_log()
        self.refuse("the build's log", log.encode())
        self.assertRegex(log, rf" {len(SECOND)}\n")

    def test_5_the_message_of_a_failure_tells_nothing(self):
        self.built("two", 'RUN --mount=type=secret,id=BUILD_TOKEN read TOKEN < /run/secrets/BUILD_TOKEN; '
                   f'echo "no access with $TOKEN" >&2; echo "{SECOND}" >/dev/null; exit 7')
        self.platform.command("redeploy", "app")
        commit = self.repository.head()
        self.platform.patch("app", {"commit": commit})
        failed = eventually(lambda: next((each for each in self.platform.deployments("app")
                                          if each["status"]["phase"] == "FAILED" and
                                          each["spec"]["commitHash"] == commit), None), 120, "it has FAILED")
        self.assertEqual(failed["status"]["reason"], "BuildFailed")
        self.assertIn("***", failed["status"]["message"] + self.build_log())
        self.refuse("the message", json.dumps(failed["status"], ensure_ascii=False).encode())
        self.refuse("the build's log", self.build_log().encode())
        self.wait_env("app", SECOND, "BUILD_TOKEN")

    # --- nowhere else ----------------------------------------------------------------------------------------------

    def refuse(self, where, data):
        self.assertEqual(found(data), [], f"{where} holds a value")

    def test_6_the_api_never_tells(self):
        paths = ["/api/v1/secrets", SECRETS, f"{SECRETS}/keys", "/api/v1/namespaces/default/events", "/openapi/v3",
                 f"{SECRETS}?watch=true&timeoutSeconds=1&resourceVersion=1", "/webhooks/deliveries",
                 "/apis/helvetia.cloud/v1/namespaces/default/deployments/"
                 f"{self.platform.deployments('safe')[-1]['metadata']['name']}/log"]
        paths += [f"/apis/helvetia.cloud/v1/{kind}" for kind in ("services", "deployments", "builds", "tokens", "users")]
        paths += [f"{path}{'&' if '?' in path else '?'}watch=true&timeoutSeconds=1"
                  for path in paths if path.count("/") == 4]
        for path in paths:
            _, answer = self.platform.api("GET", path)
            self.refuse(path, json.dumps(answer, ensure_ascii=False).encode())
        secret = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
                             "stringData": {"token": SECOND}})
        for query in ("?dryRun=true&force=true", "?dryRun=true", "?fieldManager=else"):
            self.refuse("POST /apply", json.dumps(self.platform.api("POST", "/apply" + query, secret)[1]).encode())

    def test_7_no_process_and_no_label_has_it(self):
        own = self.platform.pids()
        seen = 0
        for folder in glob.glob("/proc/[0-9]*"):
            try:
                with open(f"{folder}/cmdline", "rb") as file:
                    cmdline = file.read()
                with open(f"{folder}/environ", "rb") as file:
                    environ = file.read()
                executable = os.readlink(f"{folder}/exe")
            except OSError:
                continue  # a thread of the kernel, or it is gone
            self.refuse(folder, cmdline)
            if "helvetia-hello" in executable or executable == "/hello":
                continue  # the application is who is meant to have it
            seen += int(folder[6:]) in own.values()
            if b"HELVETIA_REVISION=" not in environ:
                self.refuse(f"{folder} {executable}", environ)
        self.assertGreaterEqual(seen, 3)
        environments = []
        for each in self.platform.containers("safe"):
            inspected = self.platform.docker("GET", f"/containers/{each['Id']}/json")
            environments += inspected["Config"].pop("Env")  # the one place that can't be helped
            self.refuse("inspect", json.dumps(inspected).encode())
        self.assertIn(f"TOKEN={FIRST}", environments)
        self.assertTrue(found(json.dumps(environments).encode()))

    def redis_save(self):
        url = urllib.parse.urlsplit(self.platform.endpoints["redisUrl"])
        if url.hostname:
            connection = socket.create_connection((url.hostname, url.port or 6379))
        else:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(url.path)
        with connection, connection.makefile("rb") as answers:
            if url.password:
                connection.sendall(f"AUTH {url.password}\r\n".encode())
                answers.readline()
            connection.sendall(b"SAVE\r\n")
            self.assertEqual(answers.readline(), b"+OK\r\n")

    def test_8_nothing_at_rest_has_it(self):
        dump = shutil.which("pg_dump") or sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
        done = subprocess.run([dump, self.platform.endpoints["databaseUrl"]], capture_output=True, check=True)
        self.assertIn(b"secret_versions", done.stdout)
        self.refuse("the database's dump", done.stdout)
        self.redis_save()
        searched = set()
        for folder, folders, files in os.walk(self.platform.state):
            # The engine keeps the environment of its containers.
            folders[:] = [each for each in folders if os.path.join(folder, each) != self.engine_folder()]
            for each in files:
                path = os.path.join(folder, each)
                if not os.path.isfile(path) or os.path.islink(path):
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                if data:
                    self.refuse(path, data)
                    searched.add(os.path.relpath(folder, self.platform.state).split("/")[0])
        for part in ("log", "postgres", "redis", "secrets"):
            self.assertIn(part, searched)
        mode = os.stat(os.path.join(self.platform.state, "secrets", "secret-keys")).st_mode
        self.assertEqual(mode & 0o777, 0o600)

    def engine_folder(self):
        return os.path.join(self.platform.state, "docker")


if __name__ == "__main__":
    harness.main()
