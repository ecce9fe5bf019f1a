#!/usr/bin/env python3
"""Who may use the platform: the machine's own administrator, invitations, tokens of each role, their end."""
import http.client
import json
import os
import pathlib
import pwd
import ssl
import stat
import subprocess
import tempfile
import threading
import time
import urllib.parse

from kubectl import available
from harness import HELVETIA, Scenario, UnixConnection, eventually, main, service

GROUP = "/apis/helvetia.cloud/v1"


def tokens(namespace):
    return f"{GROUP}/namespaces/{namespace}/tokens"


def services(namespace):
    return f"{GROUP}/namespaces/{namespace}/services"


class Watch(threading.Thread):
    """A watch that is left open: what ended it, and when."""

    def __init__(self, platform, token, path):
        super().__init__(daemon=True)
        address = urllib.parse.urlsplit(platform.endpoints["api"])
        context = ssl.create_default_context(cafile=platform.endpoints["caFile"])
        self.connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=120, context=context)
        self.path, self.token = path, token
        self.begun, self.ended = threading.Event(), threading.Event()
        self.lines = []

    def run(self):
        self.connection.request("GET", self.path + "?watch=true&timeoutSeconds=300&sendInitialEvents=true"
                                "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
                                headers={"Authorization": f"Bearer {self.token}"})
        response = self.connection.getresponse()
        assert response.status == 200, response.read()
        while True:
            line = response.readline()
            if not line:
                break
            self.lines.append(json.loads(line))
            self.begun.set()
        self.connection.close()
        self.ended.set()


class Access(Scenario):
    def make_token(self, name, namespace, **spec):
        status, made = self.platform.api("POST", tokens(namespace), {
            "apiVersion": "helvetia.cloud/v1", "kind": "Token", "metadata": {"name": name}, "spec": spec})
        self.assertEqual(status, 201, made)
        return made["status"]["token"]

    def status(self, token, method, path, body=None, **more):
        return self.platform.api(method, path, body, token=token, **more)[0]

    def run_as(self, home, *words, program=HELVETIA, **environment):
        """The command line of somebody who has only what lies in his home folder."""
        clean = {"HOME": home, "PATH": os.environ["PATH"], **environment}
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=60, env=clean, check=False)

    def test_1_this_machine(self):
        path = self.platform.endpoints["apiSocket"]
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        connection = UnixConnection(path)
        connection.request("GET", f"{GROUP}/users")
        self.assertEqual(connection.getresponse().status, 200, "root is the administrator without a token")
        connection.close()
        # Somebody else of this machine is not even let in.
        nobody = pwd.getpwnam("nobody")
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
        done = subprocess.run(["python3", "-c", code], user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
                              capture_output=True, text=True, check=False)
        self.assertIn("PermissionError", done.stderr)
        # The command line needs no token file.
        kept = self.platform.endpoints["tokenFile"]
        os.rename(kept, kept + ".away")
        try:
            self.platform.command("get", "services")
        finally:
            os.rename(kept + ".away", kept)

    def test_2_an_invitation(self):
        self.assertEqual(self.platform.api("POST", "/api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})[0], 201)
        home = tempfile.mkdtemp(dir=self.platform.state)
        invitation = os.path.join(home, "invitation")
        _, out, err = self.platform.command("invite", "ann", "--namespace", "team", "-o", invitation)
        self.assertEqual(out, "")
        self.assertIn("helvetia login", err)
        self.assertEqual(stat.S_IMODE(os.stat(invitation).st_mode), 0o600)
        os.makedirs(os.path.join(home, ".kube"))
        config = pathlib.Path(home, ".kube/config")
        config.write_text("apiVersion: v1\nkind: Config\nclusters:\n- name: other\n  cluster: {server: https://other}\n"
                          "users: []\ncontexts:\n- name: other\n  context: {cluster: other, user: nobody}\n"
                          "current-context: other\n")
        done = self.run_as(home, "login", invitation)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('you are "ann"', done.stderr)
        self.assertIn("name: other", config.read_text(), "what was in the file stays")
        self.assertEqual(stat.S_IMODE(config.stat().st_mode), 0o600)
        # As a plugin of kubectl, which finds it by its name.
        plugin = os.path.join(os.path.dirname(HELVETIA), "kubectl-helvetia")
        manifest = os.path.join(home, "shop.json")
        shop = service("shop", "absent:1")
        del shop["metadata"]["namespace"]
        pathlib.Path(manifest).write_text(json.dumps(shop))
        for program in (HELVETIA, plugin):
            done = self.run_as(home, "apply", "-f", manifest, program=program)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIsNotNone(self.platform.service("shop", "team"), "the context's namespace")
        self.assertEqual(self.run_as(home, "get", "services", "-n", "default", program=plugin).returncode, 9)
        self.assertEqual(self.run_as(home, "token", "list", program=plugin).returncode, 9)
        done = self.run_as(home, "get", "services", "--context", "other", program=plugin)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('"other"', done.stderr)
        done = self.run_as("/nonexistent", "get", "services", program=plugin, KUBECONFIG=invitation)
        self.assertEqual(done.returncode, 0, done.stderr)
        # Her name is in what she made, and she goes with all that she has.
        _, out, _ = self.platform.command("token", "list", "--namespace", "team")
        self.assertRegex(out, r"team +ann-\w+ +developer +ann +never")
        self.platform.command("delete", "user", "ann")
        eventually(lambda: self.run_as(home, "get", "services").returncode == 9, 10, "ann is out")

    def test_3_kubeconfig(self):
        home = tempfile.mkdtemp(dir=self.platform.state)
        path = os.path.join(home, "config")
        self.platform.command("kubeconfig", "-o", path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        done = self.run_as(home, "get", "namespaces", KUBECONFIG=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        _, out, _ = self.platform.command("kubeconfig", "--namespace", "kube", "--server", "https://elsewhere:1")
        self.assertIn("https://elsewhere:1", out)
        self.assertIn("namespace: kube", out)
        code, _, err = self.platform.command("kubeconfig", "--server", "http://elsewhere", check=False)
        self.assertEqual(code, 2)
        self.assertIn("https://", err)

    def test_3_kubectl_and_its_plugin(self):
        """Each kubectl that there is: the plugin by its name, tokens as objects, reviews out of the same table."""
        home = tempfile.mkdtemp(dir=self.platform.state)
        admin, viewer = os.path.join(home, "admin"), os.path.join(home, "viewer")
        self.platform.command("kubeconfig", "-o", admin)
        self.platform.command("invite", "vera", "--role", "viewer", "-o", viewer)
        for version, kubectl in available():
            def run(config, *words, path=os.path.dirname(HELVETIA), program=kubectl):
                return self.run_as(home, *words, program=program, KUBECONFIG=config,
                                   PATH=f"{path}:{os.environ['PATH']}")
            with self.subTest(kubectl=version):
                self.assertIn("vera", run(viewer, "auth", "whoami").stdout)
                self.assertEqual(run(viewer, "helvetia", "status").returncode, 0, "the context's namespace")
                self.assertEqual(run(viewer, "helvetia", "status", "-A").returncode, 9)
                for verb, what, answer in (("list", "services", "yes"), ("create", "services", "no"),
                                           ("list", "tokens", "no"), ("get", "secrets", "no")):
                    group = "" if what == "secrets" else ".helvetia.cloud"
                    self.assertTrue(run(viewer, "auth", "can-i", verb, what + group).stdout.startswith(answer), what)
                manifest = os.path.join(home, "token.json")
                pathlib.Path(manifest).write_text(json.dumps({
                    "apiVersion": "helvetia.cloud/v1", "kind": "Token", "metadata": {"name": "by-kubectl"}}))
                done = run(admin, "create", "-f", manifest, "-o", "jsonpath={.status.token}")
                self.assertRegex(done.stdout, r"^hv_[a-z0-9]+$", done.stderr)
                self.assertEqual(self.status(done.stdout, "GET", services("default")), 200)
                self.assertEqual(run(admin, "get", "token.helvetia.cloud", "by-kubectl", "-o",
                                     "jsonpath={.status.token}").stdout, "")
                self.assertEqual(run(admin, "apply", "--server-side", "-f", manifest).returncode, 0)
                self.assertEqual(run(admin, "delete", "-f", manifest).returncode, 0)
                self.assertEqual(run(admin, "patch", "user.helvetia.cloud", "vera", "--type", "merge", "-p",
                                     '{"metadata":{"labels":{"team":"a"}}}').returncode, 0)

    def test_4_roles(self):
        manifest = {"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": "roles"},
                    "spec": {"image": "absent:1", "replicas": 0}}
        admin = self.make_token("r-admin", "default", role="admin")
        developer = self.make_token("r-developer", "default", role="developer")
        viewer = self.make_token("r-viewer", "default", role="viewer")
        for token, write in ((admin, True), (developer, True), (viewer, False)):
            self.assertEqual(self.status(token, "GET", services("default")), 200)
            self.assertEqual(self.status(token, "POST", "/apply", manifest), 200 if write else 403)
            patched = self.status(token, "PATCH", services("default") + "/roles", {"metadata": {"labels": {"a": "b"}}},
                                  content_type="application/merge-patch+json")
            self.assertEqual(patched, 200 if write else 403)
            self.assertEqual(self.status(token, "GET", tokens("default")), 200 if token == admin else 403)
            # Of other namespaces none of them learns whether something is there.
            there = self.platform.api("GET", services("team") + "/shop", token=token)
            absent = self.platform.api("GET", services("team") + "/none", token=token)
            nowhere = self.platform.api("GET", services("nowhere") + "/shop", token=token)
            self.assertEqual([each[0] for each in (there, absent, nowhere)], [403, 403, 403])
            self.assertEqual(there[1]["message"].replace("shop", "none"), absent[1]["message"])
            self.assertEqual(there[1]["message"].replace("team", "nowhere"), nowhere[1]["message"])
        self.assertEqual(self.status(admin, "POST", tokens("default"), {
            "apiVersion": "helvetia.cloud/v1", "kind": "Token", "metadata": {"name": "wide"},
            "spec": {"allNamespaces": True}}), 403)
        self.platform.delete("roles")

    def test_5_expired_and_revoked(self):
        end = time.time() + 4
        short = self.make_token("short", "default", role="viewer",
                                expiresAt=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))
        revoked = self.make_token("revoked", "default", role="viewer")
        other = self.make_token("other", "default", role="viewer")
        watches = [Watch(self.platform, each, services("default")) for each in (short, revoked, other)]
        for watch in watches:
            watch.start()
            self.assertTrue(watch.begun.wait(20))
        _, out, _ = self.platform.command("token", "list")
        self.assertRegex(out, r"other +viewer +- +never +(\d+s|never)")
        _, out, _ = self.platform.command("token", "revoke", "revoked")
        self.assertIn("revoked", out)
        self.assertTrue(watches[1].ended.wait(10), "a revoked token's watch ends")
        self.assertEqual(self.status(revoked, "GET", services("default")), 401)
        self.assertTrue(watches[0].ended.wait(20), "a watch ends with its token")
        status, answer = self.platform.api("GET", services("default"), token=short)
        self.assertEqual((status, answer["message"]), (401, "Unauthorized: the token has expired"))
        self.assertFalse(watches[2].ended.is_set(), "nobody else's watch ends")
        self.platform.command("token", "revoke", "other")
        self.assertTrue(watches[2].ended.wait(10))
        _, out, _ = self.platform.command("token", "list")
        self.assertRegex(out, r"short +viewer +- +expired +\d+s")

    def test_6_nothing_is_written_down(self):
        code, text, err = self.platform.command("token", "create", "secret", "--expires", "12h", "--role", "viewer")
        text = text.strip()
        self.assertRegex(text, r"^hv_[a-z0-9]+$")
        self.assertEqual(self.status(text, "GET", services("default")), 200)
        found = [str(path) for path in pathlib.Path(self.platform.state).rglob("*")
                 if path.is_file() and text.encode() in path.read_bytes()]
        self.assertEqual(found, [], "the text of a token is in no file of the platform")
        code, _, err = self.platform.command("token", "create", "late", "--expires", "soon", check=False)
        self.assertEqual(code, 2)
        self.assertIn("30d", err)


if __name__ == "__main__":
    main()
