#!/usr/bin/env python3
"""Every wrong manifest of test/bad-manifests, and wrong requests around it, get exactly the error that is written down,
and nothing is stored."""
import glob
import hashlib
import json
import os
import subprocess

from harness import TOP, Scenario, eventually, main, service

SERVICES = "/apis/helvetia.cloud/v1/namespaces/default/services"
# Written past the API, which would not make one that has expired; the columns follow the spec.
TOKEN = """INSERT INTO tokens (hash, role, all_namespaces, name, resource_version, object_spec)
VALUES ('{hash}', '{role}', true, '{name}', 1,
jsonb_build_object('role', '{role}', 'allNamespaces', true, 'expiresAt', now() + interval '{expiry}'))"""
FOLDER = os.path.join(TOP, "test", "bad-manifests")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def told(status, answer):
    """The answer as lines of an .expected file."""
    if status not in (400, 422) or not isinstance(answer, dict):
        return [f"HTTP {status}: {answer}"]
    causes = answer.get("details", {}).get("causes")
    if causes:
        return [f"{each['reason']} {each['field']}: {each['message']}" for each in causes]
    return [f"{answer['reason']}: {answer['message']}"]


class BadManifests(Scenario):
    options = ("--domain", "apps.example.org")
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, role, expiry in (("expired", "admin", "-1 second"), ("viewer", "viewer", "1 hour")):
            digest = hashlib.sha256(f"hv_{name}".encode()).hexdigest()
            row = TOKEN.format(hash=digest, role=role, expiry=expiry, name=name)
            subprocess.run(["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", row,
                            cls.platform.endpoints["databaseUrl"]], check=True, stdin=subprocess.DEVNULL, timeout=30)

    def setUp(self):
        super().setUp()
        self.before = self.stored()

    def tearDown(self):
        if self.before:
            self.assertEqual(self.stored(), self.before, "something was stored")

    def stored(self):
        """All that the API holds, and the version of the whole: any write at all would move it."""
        answers = [self.platform.api("GET", path)[1] for path in
                   ("/apis/helvetia.cloud/v1/services", "/apis/helvetia.cloud/v1/deployments",
                    "/apis/helvetia.cloud/v1/tokens", "/apis/helvetia.cloud/v1/users", "/api/v1/namespaces")]
        return [(each["metadata"]["resourceVersion"], sorted(item["metadata"]["uid"] for item in each["items"]))
                for each in answers]

    def post(self, body, **options):
        return self.platform.api("POST", "/apply", body, "application/yaml", **options)

    def test_1_each_file_gives_its_error(self):
        files = sorted(glob.glob(os.path.join(FOLDER, "*.yaml")))
        self.assertGreaterEqual(len(files), 40)
        for path in files:
            with self.subTest(os.path.basename(path)):
                expected = read(path[:-len(".yaml")] + ".expected").decode().splitlines()
                self.assertEqual(told(*self.post(read(path))), expected)

    def test_2_a_good_document_beside_a_bad_one_is_not_stored(self):
        good = service("good", "nginx")
        bad = service("bad", "nginx", internalPort=0)
        for documents in ([good, bad], [bad, good]):
            status, answer = self.post("\n".join(json.dumps(each) for each in documents))
            self.assertEqual((status, [each["field"] for each in answer["details"]["causes"]]),
                             (422, ["spec.internalPort"]))
        self.assertIsNone(self.platform.service("good"))

    def test_3_two_services_of_one_stream_claim_one_host(self):
        status, answer = self.post("\n".join(json.dumps(service(name, "nginx", domains=["shop.example.com"]))
                                             for name in ("one", "two")))
        self.assertEqual(status, 409, answer)
        for word in ("shop.example.com", "/one", '"two"'):
            self.assertIn(word, answer["message"])

    def test_4_a_body_over_the_limit(self):
        # Refused by its declared length: a client that waits for 100 (as curl does) never sends it.
        status, answer = self.platform.api("POST", "/apply", headers={
            "Content-Type": "application/yaml", "Content-Length": str(3 * 1024 * 1024 + 1), "Expect": "100-continue"})
        self.assertEqual((status, answer["reason"]), (413, "RequestEntityTooLarge"))

        # Without a length it is counted while it comes.
        chunks = b"".join(b"400\r\n# %1021d\n\r\n" % number for number in range(3 * 1024 + 1)) + b"0\r\n\r\n"
        status, answer = self.post(chunks, headers={"Transfer-Encoding": "chunked"})
        self.assertEqual((status, answer["reason"]), (413, "RequestEntityTooLarge"))

    def test_5_tokens_that_open_nothing(self):
        good = json.dumps(service("good", "nginx"))
        for token, words in (("", "send a token"), ("hv_" + "0" * 41, "not known"), ("nonsense", "not known"),
                             ("hv_expired", "has expired"), ("x" * 5000, "send a token")):
            for _ in range(2):  # the second time from what the API remembers
                status, answer = self.post(good, token=token)
                self.assertEqual((status, answer["reason"]), (401, "Unauthorized"), token[:50])
                self.assertIn(words, answer["message"])
        self.assertEqual(self.platform.api("GET", SERVICES, token="hv_viewer")[0], 200)
        status, answer = self.post(good, token="hv_viewer")
        self.assertEqual((status, answer["reason"]), (403, "Forbidden"), answer)

    def test_6_requests_that_mean_nothing(self):
        good = service("good", "nginx")
        for method, path, body, kind, expected in (
                ("POST", SERVICES, good, "text/html", 415),
                ("PATCH", SERVICES + "/a", {"spec": {}}, "application/strategic-merge-patch+json", 415),
                ("POST", SERVICES, "", "application/json", 400),
                ("POST", SERVICES, "{", "application/json", 400),
                ("POST", SERVICES, b'{"metadata":{"name":"a\xff"}}', "application/json", 400),
                ("POST", SERVICES, service("good", "nginx", "elsewhere"), "application/json", 400),
                ("POST", SERVICES, good | {"surplus": 1}, "application/json", 400),
                ("PUT", SERVICES + "/other", good, "application/json", 400),
                ("POST", SERVICES.replace("default", "gone"), service("a", "nginx", "gone"), "application/json", 404),
                ("PATCH", SERVICES + "/good", {"spec": {}}, "application/merge-patch+json", 404),
                ("GET", "/apis/helvetia.cloud/v1/namespaces/default/gadgets", None, None, 404),
                ("GET", "/apis/helvetia.cloud/v2/services", None, None, 404),
                ("GET", "/nowhere", None, None, 404),
                ("GET", "/apis/helvetia.cloud/v1/namespaces/default/../default/services/%00", None, None, (400, 404)),
                ("GET", SERVICES + "?labelSelector=%3D%3D", None, None, 400),
                ("GET", SERVICES + "?limit=many", None, None, 400),
                ("GET", SERVICES + "?watch=true&resourceVersion=old", None, None, (400, 422)),
                ("POST", "/apply?dryRun=perhaps", json.dumps(good), "application/yaml", (400, 422)),
                ("PUT", SERVICES, good, "application/json", 405),
                ("DELETE", "/apply", None, None, 405),
                ("BREW", SERVICES, None, None, (405, 501))):
            with self.subTest(method=method, path=path, kind=kind):
                status, answer = self.platform.api(method, path, body, kind or "application/json")
                self.assertIn(status, expected if isinstance(expected, tuple) else (expected,), answer)
                self.assertEqual((answer["kind"], answer["status"], answer["code"]), ("Status", "Failure", status))
                self.assertTrue(answer["message"] and answer["reason"], answer)

    def test_9_a_host_that_somebody_has(self):
        """Last, since it stores something."""
        self.before = None
        self.platform.apply(service("owner", "nginx", suspend=True, domains=["shop.example.com"]))
        for name, domains in (("thief", ["shop.example.com"]), ("other", ["second.example.com", "shop.example.com"])):
            status, answer = self.post(json.dumps(service(name, "nginx", suspend=True, domains=domains)))
            self.assertIn(status, (409, 422), answer)
            for word in ("shop.example.com", "/owner", name):
                self.assertIn(word, answer["message"])
        _, listed = self.platform.api("GET", "/apis/helvetia.cloud/v1/services")
        self.assertEqual([each["metadata"]["name"] for each in listed["items"]], ["owner"])
        self.platform.delete("owner")
        eventually(lambda: self.platform.service("owner") is None, 30, "the owner is gone")
        self.platform.apply(service("thief", "nginx", suspend=True, domains=["shop.example.com"]))


if __name__ == "__main__":
    main()
