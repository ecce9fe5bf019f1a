"""Images by the names that compose/compose.yaml asks for, made from what this machine has: no registry is asked.

Each is a file system of a few programs with the shared libraries that the loader says they need. The stand-in for the
official PostgreSQL image does what its entrypoint documents: initdb as user postgres, the scripts of
/docker-entrypoint-initdb.d, then the command. `engine` sends a request to the Docker Engine, as Platform.docker does.
"""
import glob
import io
import os
import subprocess
import tarfile
import urllib.parse

POSTGRES = "/usr/lib/postgresql/15"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/usr/lib/postgresql/15/bin"
ENTRYPOINT = r"""#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /var/run/postgresql
	chown postgres "$PGDATA" /var/run/postgresql
	chmod 700 "$PGDATA"
	exec /usr/bin/setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	[ "$POSTGRES_HOST_AUTH_METHOD" = trust ]
	initdb --username=postgres $POSTGRES_INITDB_ARGS
	pg_ctl -D "$PGDATA" -w -o "$(shift; printf '%s ' "$@") -c listen_addresses=''" start
	for script in /docker-entrypoint-initdb.d/*; do
		psql -v ON_ERROR_STOP=1 --no-psqlrc -U postgres -d postgres -f "$script"
	done
	pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
"""


def libraries(program):
    """Paths of the shared libraries of a program or library, with the loader."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    words = [word for line in done.stdout.splitlines() for word in line.split()]
    missing = [line for line in done.stdout.splitlines() if "not found" in line]
    assert not missing, f"{program}: {missing}"
    return {word for word in words if word.startswith("/")}


class Files:
    """A file system, as a tar archive."""

    def __init__(self):
        self.archive = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.archive, mode="w")
        self.known = set()
        self.folder("tmp", 0o1777)

    def folder(self, path, mode=0o755):
        info = tarfile.TarInfo(path)
        info.type, info.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(info)

    def text(self, path, text, mode=0o644):
        data = text.encode()
        info = tarfile.TarInfo(path)
        info.size, info.mode = len(data), mode
        self.tar.addfile(info, io.BytesIO(data))

    def file(self, source, path=None):
        path = (path or source).lstrip("/")
        if path in self.known:
            return
        self.known.add(path)
        info = self.tar.gettarinfo(os.path.realpath(source), path)
        info.uid = info.gid = 0
        with open(source, "rb") as file:
            self.tar.addfile(info, file)

    def program(self, source, path=None):
        self.file(source, path)
        for library in libraries(source):
            self.file(library)

    def tree(self, top):
        for folder, _, names in os.walk(top):
            for name in names:
                source = os.path.join(folder, name)
                if os.path.isfile(source):
                    self.program(source) if ".so" in name else self.file(source)

    def load(self, engine, tag, *changes):
        self.tar.close()
        repository, _, name = tag.partition(":")
        query = urllib.parse.urlencode([("fromSrc", "-"), ("repo", repository), ("tag", name or "latest")] +
                                       [("changes", change) for change in (f"ENV PATH={PATH}", *changes)])
        engine("POST", "/images/create?" + query, self.archive.getvalue(), "application/x-tar", raw=True)


def helvetia(engine, programs, tag):
    files = Files()
    for name in ("helvetia", "helvetia-api", "helvetia-controller", "helvetia-worker", "helvetia-probe"):
        files.program(os.path.join(programs, name), f"/usr/local/bin/{name}")
    files.program("/usr/sbin/nft")
    files.file("/etc/ssl/certs/ca-certificates.crt")
    files.load(engine, tag, 'CMD ["helvetia", "help"]')


def postgres(engine, tag):
    files = Files()
    files.program("/bin/busybox", "/bin/busybox")
    for name in ("sh", "id", "mkdir", "chown", "chmod"):
        files.file("/bin/busybox", f"/bin/{name}")
    files.program("/usr/bin/setpriv")
    for program in glob.glob(f"{POSTGRES}/bin/*"):
        if os.path.basename(program) in ("initdb", "postgres", "pg_ctl", "psql"):
            files.program(program)
    files.tree(f"{POSTGRES}/lib")
    files.tree("/usr/share/postgresql/15")
    files.tree("/usr/lib/locale/C.utf8")
    files.tree("/usr/share/zoneinfo/Etc")
    files.file("/usr/share/zoneinfo/UTC")
    files.text("etc/passwd", "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/:/bin/sh\n")
    files.text("etc/group", "root:x:0:\npostgres:x:999:\n")
    files.text("usr/local/bin/entrypoint", ENTRYPOINT, 0o755)
    files.load(engine, tag, 'ENTRYPOINT ["entrypoint"]', 'CMD ["postgres"]')


def redis(engine, tag):
    files = Files()
    files.program("/usr/bin/redis-server")
    files.program("/usr/bin/redis-cli")
    files.load(engine, tag, 'CMD ["redis-server"]')


def traefik(engine, program, tag):
    files = Files()
    files.program(program, "/usr/local/bin/traefik")
    files.load(engine, tag, 'ENTRYPOINT ["traefik"]')
