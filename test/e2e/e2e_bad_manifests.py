#!/usr/bin/env python3
"""Every wrong manifest of test/bad-manifests, and wrong requests around it, get exactly the error that is written down,
and nothing is stored."""
import glob
import json
import os

from harness import TOP, Scenario, main, service

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

    def setUp(self):
        super().setUp()
        self.before = self.stored()

    def tearDown(self):
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
        self.assertIn(status, (409, 422), answer)
        self.assertIn("shop.example.com", answer["message"])

    def test_4_a_body_over_the_limit(self):
        # Refused by its declared length: a client that waits for 100 (as curl does) never sends it.
        status, answer = self.platform.api("POST", "/apply", headers={
            "Content-Type": "application/yaml", "Content-Length": str(3 * 1024 * 1024 + 1), "Expect": "100-continue"})
        self.assertEqual((status, answer["reason"]), (413, "RequestEntityTooLarge"))

    def test_5_an_absent_or_wrong_token(self):
        for token in ("", "hv_" + "0" * 41, "nonsense"):
            status, answer = self.post("kind: Service", token=token)
            self.assertEqual((status, answer["reason"]), (401, "Unauthorized"), token)


if __name__ == "__main__":
    main()
