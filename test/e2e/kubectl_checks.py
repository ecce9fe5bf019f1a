"""The conformance list: numbered commands of unmodified kubectl, and what each must say.

`check(NUMBER, TITLE)` puts a function into CHECKS; it gets a Kubectl whose namespace is the run's own, and fails by an
AssertionError. They run in order and build on each other: web is made in 02 and goes in 46.
"""
import http.server
import json
import os
import re
import threading

from harness import condition, eventually

CHECKS = []


def check(number, title, since=0):
    """since: the minor from which kubectl has the command at all."""
    def keep(function):
        CHECKS.append((number, title, since, function))
        return function
    return keep


def manifest(k, name="web", labels=None, **spec):
    """A Service of the run's namespace that rolls out quickly."""
    whole = {"internalPort": 8080, "strategy": {"minReadySeconds": 0, "drainSeconds": 0, "graceSeconds": 1}, **spec}
    return {"apiVersion": "helvetia.cloud/v1", "kind": "Service",
            "metadata": {"name": name, "namespace": k.namespace, **({"labels": labels} if labels else {})},
            "spec": {key: value for key, value in whole.items() if value is not None}}


def idle(k, name, labels=None, **spec):
    """One that starts no container."""
    return manifest(k, name, labels, image=k.images[0], suspend=True, expose="none", **spec)


def first(k):
    return manifest(k, labels={"app": "web"}, image=k.images[0], replicas=2,
                    env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    domains=[f"web.{k.namespace}.example.org"])


def second(k):
    changed = first(k)
    changed["spec"].update(image=k.images[1], env=[{"name": "A", "value": "1"}])
    return changed


def owners(k, name):
    text = k.says("", "get", "service", name, "-o", "json", "--show-managed-fields")
    return {each["manager"]: json.dumps(each["fieldsV1"]) for each in json.loads(text)["metadata"]["managedFields"]}


@check(1, "api-resources")
def api_resources(k):
    k.says(r"^services +svc +helvetia.cloud/v1 +true +Service$", "api-resources")
    k.says(r"^pods +po +v1 +true +Pod$", "api-resources")


@check(2, "apply creates")
def apply_creates(k):
    k.web = k.file("web.json", first(k))
    k.web2 = k.file("web2.json", second(k))
    k.says(r"^service.helvetia.cloud/web created$", "apply", "-f", k.web)


@check(3, "apply again changes nothing")
def apply_again(k):
    generation = k.get("service", "web")["metadata"]["generation"]
    k.says(r"^service.helvetia.cloud/web unchanged$", "apply", "-f", k.web)
    assert k.get("service", "web")["metadata"]["generation"] == generation


@check(4, "apply takes away what the manifest no longer has")
def apply_changes(k):
    k.says(r"^service.helvetia.cloud/web configured$", "apply", "-f", k.web2)
    assert [each["name"] for each in k.get("service", "web")["spec"]["env"]] == ["A"]


@check(5, "wait --for=condition=Ready")
def wait_ready(k):
    k.says(r"^service.helvetia.cloud/web condition met$", "wait", "--for=condition=Ready", "service/web",
           "--timeout=90s", seconds=100)


@check(6, "get prints the kind's columns")
def get_table(k):
    text = k.says(r"^NAME +URL +STATUS +COMMIT +READY +AGE$", "get", "services")
    assert re.search(r"^web +https://\S+ +ACTIVE +True +\d+m?s?", text, re.M), text


@check(7, "get -o wide")
def get_wide(k):
    k.says(rf"REPLICAS +IMAGE +BRANCH +DEPLOYMENT +MESSAGE\nweb .*{k.images[1]}", "get", "service", "-o", "wide")


@check(8, "get -o json wraps a List")
def get_json(k):
    found = k.get("services")
    assert (found["kind"], found["items"][0]["kind"]) == ("List", "Service"), found


@check(9, "get -l with a set")
def get_labels(k):
    text = k.says("", "get", "service", "-l", "app in (x,web),!foo", "-o", "name")
    assert text == "service.helvetia.cloud/web\n", text


@check(10, "get --field-selector")
def get_fields(k):
    text = k.says("", "get", "service", "--field-selector", "metadata.name=web", "-o", "name")
    assert text == "service.helvetia.cloud/web\n", text
    k.says("field label not supported: spec.foo", "get", "service", "--field-selector", "spec.foo=1", code=1)


@check(11, "get of what isn't there")
def get_absent(k):
    k.says(r'^Error from server \(NotFound\): services.helvetia.cloud "nope" not found$', "get", "service", "nope",
           code=1)


@check(12, "get --chunk-size")
def get_chunks(k):
    k.says("created", "apply", "-f", k.file("many.json", *[idle(k, f"w{each}") for each in range(4)]))
    text = k.says("", "get", "service", "--chunk-size=2", "-o", "name", "-v=6")
    assert len(re.findall(r"^service\.helvetia", text, re.M)) == 5, text
    assert len(re.findall(r"GET.*services\?\S*limit=2", text)) == 3, text


@check(13, "get -w tells every change")
def watch_table(k):
    watch = k.start("get", "service", "w0", "-w", "--output-watch-events")
    try:
        watch.until(r"^ADDED +w0")
        k.says("patched", "patch", "service", "w0", "--type=merge", "-p", '{"spec":{"replicas":3}}')
        watch.until(r"^MODIFIED +w0")
        k.says("deleted", "delete", "service", "w0")
        watch.until(r"^DELETED +w0")
        kinds = [each.split()[0] for each in watch.lines]
        assert kinds[0] == "EVENT" and kinds.index("ADDED") < kinds.index("MODIFIED") < kinds.index("DELETED"), kinds
        assert kinds.count("EVENT") == 1, watch.lines
    finally:
        watch.end()


@check(14, "get -w -l: what leaves the selection leaves the watch")
def watch_selection(k):
    k.says("labeled", "label", "service", "w1", "team=a")
    watch = k.start("get", "service", "-l", "team=a", "-w", "--output-watch-events")
    try:
        watch.until(r"ADDED.*w1")
        k.says("labeled", "label", "--overwrite", "service", "w1", "team=b")
        watch.until(r"DELETED.*w1")
        k.says("labeled", "label", "service", "w1", "more=1")
        k.says("labeled", "label", "service", "w2", "team=a")
        watch.until(r"ADDED.*w2")
        after = watch.lines[[bool(re.search(r"DELETED.*w1", each)) for each in watch.lines].index(True) + 1:]
        assert not [each for each in after if "w1" in each], watch.lines
    finally:
        watch.end()


@check(15, "replace, and its conflict")
def replace(k):
    text = k.says("", "get", "service", "w1", "-o", "yaml")
    k.says("replaced", "replace", "-f", "-", stdin=text)
    k.says("labeled", "label", "service", "w1", "changed=yes")
    k.says(r"\(Conflict\).*has been modified", "replace", "-f", "-", code=1, stdin=text.replace("replicas: 1", "replicas: 2"))


@check(16, "create of what is there")
def create_exists(k):
    k.says(r'\(AlreadyExists\).*services.helvetia.cloud "web" already exists', "create", "-f", k.web, code=1)


@check(17, "an unknown field is refused")
def unknown_field(k):
    wrong = second(k)
    wrong["spec"]["imagee"] = "x"
    k.unknown = k.file("unknown.json", wrong)
    k.says(r'unknown field "spec\.imagee"', "apply", "-f", k.unknown, code=1)


@check(18, "--validate=warn warns and drops it")
def unknown_warned(k):
    k.says(r'^Warning: unknown field "spec\.imagee"', "apply", "--validate=warn", "-f", k.unknown)
    assert "imagee" not in k.get("service", "web")["spec"]
    k.says("", "apply", "-f", k.web2)


@check(19, "two broken rules are told at once")
def two_errors(k):
    wrong = k.file("two.json", manifest(k, "two", image=k.images[0], replicas=1000, internalPort=0))
    text = k.says(r'The Service "two" is invalid: ?$', "apply", "--validate=false", "-f", wrong, code=1)
    assert re.search(r"^\* spec.replicas: Invalid value: 1000", text, re.M), text
    assert re.search(r"^\* spec.internalPort: Invalid value: 0", text, re.M), text


@check(20, "a strategic patch is refused, and says what to use")
def strategic(k):
    k.says("use --type merge", "patch", "service", "web", "-p", '{"spec":{"replicas":4}}', code=1)


@check(21, "patch --type json")
def json_patch(k):
    k.says("patched", "patch", "service", "w1", "--type", "json", "-p",
           '[{"op":"replace","path":"/spec/replicas","value":5}]')
    assert k.get("service", "w1")["spec"]["replicas"] == 5
    for step in ({"op": "test", "path": "/spec/replicas", "value": 1}, {"op": "remove", "path": "/spec/nope"}):
        k.says("The request is invalid", "patch", "service", "w1", "--type", "json", "-p", json.dumps([step]), code=1)


@check(22, "label and annotate leave the generation")
def labels(k):
    generation = k.get("service", "w1")["metadata"]["generation"]
    k.says("labeled", "label", "service", "w1", "a=b")
    k.says("unlabeled|labeled", "label", "service", "w1", "a-")
    k.says("annotated", "annotate", "service", "w1", "note=x")
    assert k.get("service", "w1")["metadata"]["generation"] == generation


@check(23, "scale, and its precondition")
def scale(k):
    k.says("scaled", "scale", "service", "w1", "--replicas=3")
    k.says("Expected replicas to be 9, was 3", "scale", "service", "w1", "--current-replicas=9", "--replicas=1",
           code=1)
    k.says("scaled", "scale", "service", "w1", "--current-replicas=3", "--replicas=2")


@check(24, "edit")
def edit(k):
    k.says("service.helvetia.cloud/w1 edited", "edit", "service", "w1", EDITOR="sed -i s/replicas:.2/replicas:\\ 4/")
    assert k.get("service", "w1")["spec"]["replicas"] == 4


@check(25, "diff of a change, and of none")
def diff(k):
    before = k.version("web")
    text = k.says(rf"^-  image: {k.images[1]}$", "diff", "-f", k.web, code=1)
    assert re.search(rf"^\+  image: {k.images[0]}$", text, re.M), text
    assert k.says("", "diff", "-f", k.web2) == ""
    assert k.version("web") == before


@check(26, "diff of what isn't there")
def diff_new(k):
    text = k.says("", "diff", "-f", k.file("fresh.json", idle(k, "fresh")), code=1)
    assert not re.search(r"^-(?!--)", text, re.M), text
    k.says("NotFound", "get", "service", "fresh", code=1)


@check(27, "apply --dry-run=server stores nothing")
def dry_run(k):
    before = k.version("web")
    k.says(r"\(server dry run\)$", "apply", "--dry-run=server", "-f", k.web)
    assert k.version("web") == before


@check(28, "apply --server-side, twice")
def server_side(k):
    k.ssa = k.file("ssa.json", idle(k, "ssa"))
    k.says(r"^service.helvetia.cloud/ssa serverside-applied$", "apply", "--server-side", "-f", k.ssa)
    before = k.get("service", "ssa")["metadata"]["generation"]
    k.says("serverside-applied", "apply", "--server-side", "-f", k.ssa)
    assert k.get("service", "ssa")["metadata"]["generation"] == before


@check(29, "a field that somebody else owns is a conflict")
def conflict(k):
    other = idle(k, "ssa")
    other["spec"]["image"] = k.images[1]
    k.ssa_ci = k.file("ssa-ci.json", other)
    k.says(r'Apply failed with 1 conflict: conflict with "kubectl".*: \.spec\.image', "apply", "--server-side",
           "--field-manager=ci", "-f", k.ssa_ci, code=1)


@check(30, "--force-conflicts takes it")
def force(k):
    k.says("serverside-applied", "apply", "--server-side", "--field-manager=ci", "--force-conflicts", "-f", k.ssa_ci)
    found = owners(k, "ssa")
    assert "f:image" in found["ci"] and "f:image" not in found["kubectl"], found


@check(31, "two owners of one set, and of one field")
def shared(k):
    def applied(manager, domains, **spec):
        return k.run("apply", "--server-side", f"--field-manager={manager}", "-f",
                     k.file(f"{manager}.json", manifest(k, "shared", expose="none", suspend=True, strategy=None,
                                                        internalPort=None, domains=domains, **spec)))
    image = {"image": k.images[0]}
    for manager, domains in (("one", ["a.example.org"]), ("two", ["b.example.org"])):
        code, text = applied(manager, domains, replicas=3, **(image if manager == "one" else {}))
        assert code == 0, text
    assert sorted(k.get("service", "shared")["spec"]["domains"]) == ["a.example.org", "b.example.org"]
    code, text = applied("two", None)
    assert code == 0, text
    spec = k.get("service", "shared")["spec"]
    assert spec["domains"] == ["a.example.org"] and spec["replicas"] == 3, spec
    code, text = applied("one", ["a.example.org"])
    assert code == 1 and "image" in text, (code, text)


@check(32, "from client-side to server-side apply")
def migrate(k):
    before = idle(k, "moved", env=[{"name": "A", "value": "1"}])
    k.says("created", "apply", "-f", k.file("moved.json", before))
    after = idle(k, "moved")
    after["spec"]["image"] = k.images[1]
    k.says("serverside-applied", "apply", "--server-side", "-f", k.file("moved2.json", after))
    found = k.get("service", "moved")["spec"]
    assert "env" not in found and found["image"] == k.images[1], found
    assert "kubectl-client-side-apply" not in owners(k, "moved")


@check(33, "scale owns replicas")
def scale_owns(k):
    k.says("scaled", "scale", "service", "ssa", "--replicas=4")
    wanted = idle(k, "ssa", replicas=1)
    wanted["spec"]["image"] = k.images[1]  # what it is: no conflict
    k.says(r'with subresource "scale".*\.spec\.replicas', "apply", "--server-side", "-f",
           k.file("ssa-replicas.json", wanted), code=1)


@check(34, "explain")
def explain(k):
    k.says(r"How a new Deployment replaces the old one", "explain", "service.spec.strategy")
    k.says(r"name\s+<string>.*required|name\s+<string> -required-", "explain", "service.spec.env")
    k.says(r"conditions\s+<\[\]Object>", "explain", "service.status", "--recursive")


@check(35, "describe shows events")
def describe(k):
    text = k.says(r"^Kind: +Service$", "describe", "service", "web")
    assert re.search(r"^Events:\n.*\n.*\n +Normal +\S+", text, re.M), text


@check(36, "get events, by what they are about")
def events(k):
    k.says(r"service/web", "get", "events", "--field-selector", "involvedObject.name=web,type=Normal")
    k.says(r"Normal", "events", "--for", "services.helvetia.cloud/web")


@check(37, "logs of Pods")
def logs(k):
    name = k.get("service", "web")["status"]["currentDeployment"]
    eventually(lambda: "listens" in k.run("logs", f"{name}-0")[1], 20, "the log has a line")
    assert len(k.says("", "logs", f"{name}-0", "--tail=1").splitlines()) == 1
    text = k.says(rf"^\[pod/{name}-0/app\]", "logs", "-l", "helvetia.cloud/service=web", "--prefix")
    assert f"[pod/{name}-1/app]" in text, text
    k.says("not found", "logs", f"{name}-77", code=1)
    follow = k.start("logs", "-f", f"{name}-1")
    try:
        follow.until("listens")
        k.says("scaled", "scale", "service", "web", "--replicas=1")
        assert follow.wait(60) == 0, follow.lines
    finally:
        follow.end()


@check(38, "delete --dry-run=server deletes nothing")
def delete_dry(k):
    k.says(r'"w1" deleted.*\(server dry run\)', "delete", "service", "w1", "--dry-run=server")
    k.says("w1", "get", "service", "w1")


@check(39, "a finalizer holds a deletion up")
def finalizer(k):
    k.says("created", "apply", "-f", k.file("held.json", idle(k, "held")))
    k.says("patched", "patch", "service", "held", "--type=json", "-p",
           '[{"op":"add","path":"/metadata/finalizers/-","value":"example.org/hold"}]')
    k.says("timed out waiting", "delete", "service", "held", "--timeout=1s", code=1)
    assert k.get("service", "held")["metadata"]["deletionTimestamp"]
    k.says("being deleted", "label", "service", "held", "x=y")
    eventually(lambda: k.get("service", "held")["metadata"]["finalizers"] == ["example.org/hold"], 30,
               "only the foreign finalizer is left")
    k.says("patched", "patch", "service", "held", "--type=json", "-p",
           '[{"op":"remove","path":"/metadata/finalizers/0"}]')
    k.says("NotFound", "get", "service", "held", code=1)


@check(40, "delete --cascade=foreground, -l, --all of a selection")
def foreground(k):
    k.says("created", "apply", "-f", k.file("fore.json", manifest(k, "fore", image=k.images[0], expose="none",
                                                                 internalPort=None)))
    eventually(lambda: k.get("pods", "-l", "helvetia.cloud/service=fore")["items"], 60, "fore has a Pod")
    k.says("deleted", "delete", "service", "fore", "--cascade=foreground", seconds=90)
    assert not k.get("pods", "-l", "helvetia.cloud/service=fore")["items"]
    k.says("deleted", "delete", "service", "-l", "team=a", seconds=90)
    k.says("NotFound", "get", "service", "w2", code=1)


@check(52, "an owner takes along what it owns, or leaves it")
def owned(k):
    k.says("created", "apply", "-f", k.file("owner.json", idle(k, "owner")))
    reference = {"apiVersion": "helvetia.cloud/v1", "kind": "Service", "name": "owner",
                 "uid": k.get("service", "owner")["metadata"]["uid"]}
    child, secret = idle(k, "child"), {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": {"a": "b"},
                                       "metadata": {"name": "owned", "namespace": k.namespace}}
    for each in child, secret:
        each["metadata"]["ownerReferences"] = [reference]
    k.says("created", "create", "-f", k.file("owned.json", child, secret))
    k.says("deleted", "delete", "service", "owner", "--cascade=foreground", seconds=90)
    k.says("NotFound", "get", "service", "child", code=1)
    k.says("NotFound", "get", "secret", "owned", code=1)
    k.says("created", "apply", "-f", k.file("owner.json", idle(k, "owner")))
    reference["uid"] = k.get("service", "owner")["metadata"]["uid"]
    k.says("created", "create", "-f", k.file("owned.json", secret))
    k.says("deleted", "delete", "service", "owner", "--cascade=orphan", seconds=90)
    assert "ownerReferences" not in k.get("secret", "owned")["metadata"]


@check(41, "wait --for=delete and jsonpath")
def waits(k):
    k.says("condition met", "wait", "--for=jsonpath={.status.readyReplicas}=1", "service/web", "--timeout=60s",
           seconds=70)
    waiting = k.start("wait", "--for=delete", "service/w3", "--timeout=60s")
    k.says("deleted", "delete", "service", "w3", seconds=90)
    assert waiting.wait(60) == 0, waiting.lines


@check(51, "wait --for=create", since=31)
def wait_create(k):
    waiting = k.start("wait", "--for=create", "service/late", "--timeout=60s")
    k.says("created", "create", "-f", k.file("late.json", idle(k, "late")))
    assert waiting.wait(60) == 0, waiting.lines


@check(42, "wait takes as long as the rollout")
def wait_rollout(k):
    k.says("configured", "apply", "-f", k.web)
    k.says("condition met", "wait", "--for=condition=Ready", "service/web", "--timeout=90s", seconds=100)
    found = k.get("service", "web")
    assert condition(found, "Ready")["observedGeneration"] == found["metadata"]["generation"]
    assert k.platform.version("web") == "first"


@check(43, "auth can-i, its list, whoami")
def auth(k):
    k.says("^yes$", "auth", "can-i", "create", "services.helvetia.cloud")
    k.says(r"services\.helvetia\.cloud.*\[get list watch", "auth", "can-i", "--list")
    k.says("^no", "auth", "can-i", "delete", "services.helvetia.cloud", config=k.viewer, code=1)
    k.says("^yes$", "auth", "can-i", "get", "services.helvetia.cloud", config=k.viewer)
    k.says("^yes$", "auth", "can-i", "get", "pods", "--subresource=log")
    k.says("Username", "auth", "whoami")


@check(44, "a wrong token, and too little right")
def refused(k):
    wrong = k.kubeconfig("wrong", "hv_" + "x" * 41, k.platform.endpoints["api"])
    k.says("You must be logged in", "get", "services", config=wrong, code=1)
    k.says(r'\(Forbidden\).*cannot delete resource "services" in API group "helvetia.cloud"', "delete", "service",
           "web", config=k.viewer, code=1)


@check(45, "no token goes over plain HTTP")
def plain_http(k):
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            self.send_error(503)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        k.run("get", "services", config=k.kubeconfig("plain", "secret", f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
    assert seen and not any(seen), seen


@check(46, "a namespace goes with what is in it")
def namespaces(k):
    other = k.namespace + "-t"
    k.says("created", "create", "namespace", other)
    k.says("labeled", "label", "namespace", other, "a=b")
    inside = idle(k, "inside")
    inside["metadata"]["namespace"] = other
    k.says("created", "apply", "-n", other, "-f", k.file("inside.json", inside))
    k.says("deleted", "delete", "namespace", other, seconds=120)
    k.says("NotFound", "get", "namespace", other, code=1)
    k.says("No resources found|NotFound", "get", "services", "-n", other)


@check(47, "apply -k")
def kustomize(k):
    folder = os.path.join(k.folder, "kustomize")
    os.makedirs(folder)
    with open(os.path.join(folder, "service.json"), "w", encoding="utf-8") as file:
        json.dump(idle(k, "kust"), file)
    with open(os.path.join(folder, "kustomization.yaml"), "w", encoding="utf-8") as file:
        file.write("resources: [service.json]\nlabels: [{pairs: {from: kustomize}}]\n")
    k.says("created", "apply", "-k", folder)
    assert k.get("service", "kust")["metadata"]["labels"] == {"from": "kustomize"}


def raw(k, path):
    return k.run("get", "--raw", path)


@check(48, "a watch, and a page, from before what is kept")
def expired(k):
    base = f"/apis/helvetia.cloud/v1/namespaces/{k.namespace}/services"
    k.compact()
    _, text = raw(k, f"{base}?watch=true&resourceVersion=1")
    lines = [json.loads(each) for each in text.splitlines()]
    assert len(lines) == 1 and lines[0]["type"] == "ERROR" and lines[0]["object"]["code"] == 410, text
    token = f"1:1/{k.namespace}/a".encode().hex()
    code, text = raw(k, f"{base}?limit=1&continue={token}")
    assert code == 1 and "too old" in text, text


@check(49, "initial events end with a bookmark")
def initial_events(k):
    base = f"/apis/helvetia.cloud/v1/namespaces/{k.namespace}/services"
    _, text = raw(k, f"{base}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1"
                     "&resourceVersionMatch=NotOlderThan")
    kinds = [json.loads(each)["type"] for each in text.splitlines()]
    assert kinds and set(kinds[:-1]) == {"ADDED"} and kinds[-1] == "BOOKMARK", kinds
    last = json.loads(text.splitlines()[-1])["object"]["metadata"]["annotations"]
    assert last == {"k8s.io/initial-events-end": "true"}, last
