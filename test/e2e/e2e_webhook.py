#!/usr/bin/env python3
"""Deliveries in the full shape that GitHub publishes, as JSON and as a form, through Traefik and straight to the API:
what each does, and what is recorded of it."""
import json
import socket
import urllib.parse
import uuid

from harness import eventually, main, trusting_context
from repositories import Repositories, ZERO, manifest
from webhook_payloads import ping, push

FORM = "application/x-www-form-urlencoded"
ROADS = (("application/json", False), ("application/json", True), (FORM, False), (FORM, True))


class Webhook(Repositories):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.repository.version("v0")
        cls.platform.apply(manifest("app", cls.repository))

    # --- tools -----------------------------------------------------------------------------------------------------

    def given(self, payload, event="push", content_type="application/json", direct=False, delivery=None):
        """Signed as it should be: (status, outcome, message, id)."""
        body = json.dumps(payload, ensure_ascii=content_type != FORM).encode()
        if content_type == FORM:
            body = urllib.parse.urlencode({"payload": body.decode()}).encode()
        delivery = delivery or str(uuid.uuid4())
        status, text = self.send(body, self.signature(body), event, delivery, content_type, direct)
        answer = json.loads(text)
        self.recorded(delivery, event, status, answer)
        return status, answer["outcome"], answer["message"]

    def recorded(self, delivery, event, status, answer):
        """It is on record as it was answered."""
        _, found = self.platform.api("GET", "/webhooks/deliveries?limit=5")
        newest = found["items"][0]
        self.assertEqual((newest["id"], newest["event"], newest["status"], newest["outcome"], newest["message"]),
                         (delivery, event, status, answer["outcome"], answer["message"]))

    def commit(self):
        return self.platform.service("app")["spec"].get("commit")

    def goes_live(self, version):
        self.sees(version)
        self.platform.wait_ready("app")

    # --- deliveries ------------------------------------------------------------------------------------------------

    def test_01_ping(self):
        for content_type, direct in ROADS:
            self.assertEqual(self.given(ping(self.repository.url), "ping", content_type, direct), (200, "ping", "pong"))

    def test_02_a_push_by_each_road(self):
        self.goes_live("v0")
        for number, (content_type, direct) in enumerate(ROADS):
            before, after = self.repository.version(f"road{number}")
            status, outcome, message = self.given(push(self.repository.url, before, after), "push", content_type, direct)
            self.assertEqual((status, outcome), (200, "accepted"), message)
            self.assertIn(f"default/app: its commit is now {after[:10]}", message)
            self.assertEqual(self.commit(), after)
            self.goes_live(f"road{number}")

    def test_03_what_is_no_new_commit_of_the_branch(self):
        head = self.commit()
        for payload, words in (
                (push(self.repository.url, ZERO, head, "refs/tags/v1.0", base_ref="refs/heads/main"), "refs/tags/v1.0 is no branch"),
                (push(self.repository.url, head, ZERO, "refs/tags/v1.0"), "refs/tags/v1.0 is no branch"),
                (push(self.repository.url, head, ZERO, "refs/heads/old"), "branch old was deleted"),
                (push(self.repository.url, head, ZERO), "branch main was deleted; what runs of it runs on"),
                (push(self.repository.url, ZERO, "1" * 40, "refs/heads/new"), "no Service follows branch new"),
                (push("https://git.example.org/acme/other.git", head, "1" * 40), "no Service follows branch main"),
        ):
            for content_type, direct in ROADS:
                status, outcome, message = self.given(payload, "push", content_type, direct)
                self.assertEqual((status, outcome), (200, "ignored"), message)
                self.assertIn(words, message)
        self.assertEqual(self.given({**ping(self.repository.url), "action": "opened"}, "issues")[:2], (200, "ignored"))
        self.assertEqual(self.commit(), head)
        self.assertEqual(self.platform.version("app"), "road3")

    def test_04_a_new_branch_is_followed_from_its_first_push(self):
        self.platform.apply({**manifest("fresh", self.repository), "spec": {
            "repoUrl": self.repository.url, "branch": "fresh", "strategy": {"drainSeconds": 1, "minReadySeconds": 0}}})
        eventually(lambda: "fresh" in json.dumps(self.platform.service("fresh").get("status", {})), 60,
                   "it says that there is no such branch")
        self.repository.git("checkout", "-q", "-b", "fresh")
        self.repository.git("push", "-q", "origin", "fresh")
        after = self.repository.head()
        self.repository.git("checkout", "-q", "main")
        status, outcome, message = self.given(push(self.repository.url, ZERO, after, "refs/heads/fresh",
                                                   base_ref="refs/heads/main"))
        self.assertEqual((status, outcome), (200, "accepted"), message)
        eventually(lambda: self.platform.version("fresh") == "road3", 60, "the new branch is live")
        self.platform.delete("fresh")

    def test_05_a_forced_push(self):
        before = self.commit()
        self.repository.git("reset", "-q", "--hard", "HEAD~1")
        self.repository.write(Dockerfile="FROM push-base:1\nENV VERSION=forced\n")
        self.repository.git("commit", "-q", "-a", "-m", "forced")
        self.repository.git("push", "-q", "--force", "origin", "main")
        after = self.repository.head()
        status, outcome, message = self.given(push(self.repository.url, before, after, forced=True))
        self.assertEqual((status, outcome), (200, "accepted"), message)
        self.assertEqual(self.commit(), after)
        self.goes_live("forced")

    def test_06_replayed_and_reordered(self):
        first = push(self.repository.url, *self.repository.version("order1"))
        second = push(self.repository.url, *self.repository.version("order2"))
        name = str(uuid.uuid4())
        self.assertIn("the repository is asked", self.given(second, delivery=name)[2])  # it comes first
        eventually(lambda: self.commit() == second["after"], 30, "the head was read")
        self.assertIn("was", self.given(second, delivery=name)[2])  # Redeliver: the same once more
        self.given(first)
        self.goes_live("order2")
        self.given(first)
        self.given(second)
        eventually(lambda: not self.queued() and self.platform.ready("app"), 60, "it has settled")
        self.assertEqual((self.commit(), self.platform.version("app")), (second["after"], "order2"))
        self.assertEqual([each["spec"]["commitHash"] for each in self.platform.deployments("app")].count(second["after"]), 1)
        self.assertNotIn(first["after"], [each["spec"]["commitHash"] for each in self.platform.deployments("app")
                                          if each["status"]["phase"] == "SUCCESS"])

    def test_07_signatures(self):
        head = self.commit()
        body = json.dumps(push(self.repository.url, head, "1" * 40)).encode()
        right = self.signature(body)
        for signature, headers, words in (
                (None, {}, "not signed"),
                (None, {"X-Hub-Signature": "sha1=" + "0" * 40}, "not signed"),
                (self.signature(body, "another"), {}, "wrong"),
                (self.signature(body + b"\n"), {}, "wrong"),
                (right.upper(), {}, "wrong"),
                (right[:-1], {}, "wrong"),
                (right + "0", {}, "wrong"),
                ("sha256=", {}, "wrong"),
                (right.removeprefix("sha256="), {}, "wrong"),
        ):
            for direct in (False, True):
                status, text = self.send(body, signature, headers=headers, direct=direct)
                self.assertEqual((status, json.loads(text)["outcome"]), (401, "refused"), signature)
                self.assertIn(words, json.loads(text)["message"])
        self.assertEqual(self.commit(), head)
        _, found = self.platform.api("GET", "/webhooks/deliveries?limit=100")
        self.assertIn((401, "refused"), [(each["status"], each["outcome"]) for each in found["items"]])

    def test_08_bodies_that_are_none(self):
        head = self.commit()
        whole = json.dumps(push(self.repository.url, head, "1" * 40)).encode()
        for body, content_type, words in (
                (whole[:len(whole) // 2], "application/json", "not JSON"),
                (b"", "application/json", "not JSON"),
                (b"[]", "application/json", "must be a JSON object"),
                (whole, FORM, "no field"),
                (b"payload=%7", FORM, "bad %-escape"),
                (b"payload=" + urllib.parse.quote_plus(whole[:200]).encode(), FORM, "not JSON"),
                (json.dumps({**json.loads(whole), "after": "1" * 39}).encode(), "application/json", "full commit id"),
                (json.dumps({**json.loads(whole), "repository": None}).encode(), "application/json", "no repository"),
        ):
            for direct in (False, True):
                delivery = str(uuid.uuid4())
                status, text = self.send(body, self.signature(body), "push", delivery, content_type, direct)
                answer = json.loads(text)
                self.assertEqual((status, answer["outcome"]), (400, "refused"), body[:80])
                self.assertIn(words, answer["message"])
                self.recorded(delivery, "push", status, answer)
        self.assertEqual(self.commit(), head)

    def test_09_a_body_that_breaks_off(self):
        head = self.commit()
        body = json.dumps(push(self.repository.url, head, "1" * 40)).encode()
        request = ("POST /webhooks/github HTTP/1.1\r\nHost: api.localhost\r\nContent-Type: application/json\r\n"
                   f"X-GitHub-Event: push\r\nX-Hub-Signature-256: {self.signature(body)}\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:1000]
        for port in (self.platform.https_port, self.platform.api_port):
            with socket.create_connection(("127.0.0.1", port), 10) as raw:
                with trusting_context().wrap_socket(raw, server_hostname="api.localhost") as broken:
                    broken.sendall(request)
        with socket.create_connection(("127.0.0.1", self.platform.api_port), 10) as raw:
            with trusting_context().wrap_socket(raw, server_hostname="api.localhost") as broken:
                broken.sendall(request.replace(f"Content-Length: {len(body)}".encode(), b"Content-Length: 1000"))
                self.assertIn(b" 401 ", broken.recv(4096))  # whole for HTTP, and not what was signed
        self.assertEqual(self.given(ping(self.repository.url), "ping")[:2], (200, "ping"))
        self.assertEqual(self.commit(), head)

    def test_10_the_command_line_lists_them(self):
        _, out, _ = self.platform.command("webhooks")
        for words in ("push", "ping", "accepted", "ignored", "refused", "acme/app"):
            self.assertIn(words, out)


if __name__ == "__main__":
    main()
