-- The tables of the platform and the rules that every write of an object keeps.
--
-- An object is one row: object_metadata (what people own of it), object_spec and object_status are jsonb and the
-- source of what the API serves; the ordinary columns beside them are for people and programs that ask in SQL. The
-- rules are triggers, so that a write from psql keeps them as well as one of ours:
--   object_lock     before the statement: the advisory lock of all writers, so that resourceVersions are in commit
--                   order. Programs take it as the first statement of the transaction (a row lock first deadlocks).
--   *_columns       before the row: fills the ordinary columns from the object. Generated columns can't: casts to
--                   enums and times are not immutable.
--   object_version  before the row: draws the resourceVersion; a write that changes nothing is not made.
--   object_log      after the row: one change_log row, one notification; a row without finalizers whose deletion is
--                   wanted goes.

CREATE TYPE service_status AS ENUM ('IDLE', 'DEPLOYING', 'ACTIVE', 'FAILED');
CREATE TYPE deployment_status AS ENUM ('BUILDING', 'SUCCESS', 'FAILED');
CREATE TYPE access_role AS ENUM ('admin', 'developer', 'viewer');
CREATE TYPE change_type AS ENUM ('ADDED', 'MODIFIED', 'DELETED');

CREATE TABLE installation (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	id text NOT NULL CHECK (id ~ '^[a-z0-9]{12}$'),
	created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO installation (id) VALUES (left(replace(gen_random_uuid()::text, '-', ''), 12));

CREATE TABLE leader (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	epoch bigint NOT NULL DEFAULT 0,
	holder text NOT NULL DEFAULT '',
	taken_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO leader DEFAULT VALUES;

-- The newest resourceVersion, and the oldest that change_log can be continued from. A row and not a sequence: a
-- reader sees it in the same snapshot as the objects, and an aborted write leaves no gap. It begins at 1, because
-- clients mean "any" by 0.
CREATE TABLE resource_clock (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	resource_version bigint NOT NULL DEFAULT 1,
	oldest bigint NOT NULL DEFAULT 1
);
INSERT INTO resource_clock DEFAULT VALUES;

CREATE TABLE change_log (
	resource_version bigint PRIMARY KEY,
	kind text NOT NULL,
	type change_type NOT NULL,
	uid uuid NOT NULL,
	namespace text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	labels jsonb NOT NULL,
	labels_before jsonb,
	object text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- --- kinds -------------------------------------------------------------------------------------------------------

CREATE TABLE namespaces (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	namespace text COLLATE "C" NOT NULL DEFAULT '' CHECK (namespace = ''),
	name text COLLATE "C" NOT NULL UNIQUE,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz
);

CREATE TABLE users (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	github_id bigint UNIQUE,
	username text NOT NULL,
	token bytea, -- sealed, never served
	role access_role NOT NULL,
	namespace text COLLATE "C" NOT NULL DEFAULT '' CHECK (namespace = ''),
	name text COLLATE "C" NOT NULL UNIQUE,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz
);

CREATE TABLE services (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid REFERENCES users ON DELETE SET NULL, -- who made it, when that was a User
	namespace text COLLATE "C" NOT NULL REFERENCES namespaces (name),
	name text COLLATE "C" NOT NULL,
	repo_url text,
	branch text,
	build_command text,
	start_command text,
	internal_port integer,
	status service_status NOT NULL,
	template_hash text,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	UNIQUE (namespace, name)
);
CREATE INDEX services_user ON services (user_id) WHERE user_id IS NOT NULL;

-- A host belongs to one Service of the platform.
CREATE TABLE hosts (
	host text COLLATE "C" PRIMARY KEY CHECK (host = lower(host) AND host <> ''),
	service_id uuid NOT NULL REFERENCES services ON DELETE CASCADE
);
CREATE INDEX hosts_service ON hosts (service_id);

CREATE TABLE deployments (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	service_id uuid NOT NULL REFERENCES services, -- goes with it: services_dependents
	revision bigint NOT NULL,
	status deployment_status NOT NULL,
	commit_hash text,
	namespace text COLLATE "C" NOT NULL REFERENCES namespaces (name),
	name text COLLATE "C" NOT NULL,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	UNIQUE (namespace, name),
	UNIQUE (service_id, revision)
);

CREATE TABLE builds (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	namespace text COLLATE "C" NOT NULL REFERENCES namespaces (name),
	name text COLLATE "C" NOT NULL,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	UNIQUE (namespace, name)
);

-- A token may belong to no namespace (''); then it is good for all. The others go with their namespace: a new one of the same name
-- must not be open to them.
CREATE TABLE tokens (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	hash text COLLATE "C" NOT NULL UNIQUE CHECK (hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the token
	role access_role NOT NULL,
	expires_at timestamptz,
	all_namespaces boolean NOT NULL, -- good for every namespace, whichever its own is
	namespace text COLLATE "C" NOT NULL DEFAULT '',
	namespace_reference text COLLATE "C" GENERATED ALWAYS AS (nullif(namespace, '')) STORED
		REFERENCES namespaces (name),
	name text COLLATE "C" NOT NULL,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	UNIQUE (namespace, name)
);

-- Events have no spec: object_spec holds the fields that core/v1 puts beside metadata. Events go with their
-- namespace.
CREATE TABLE events (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	involved_uid uuid,
	reason text NOT NULL,
	message text NOT NULL,
	count integer NOT NULL,
	last_seen timestamptz NOT NULL,
	namespace text COLLATE "C" NOT NULL REFERENCES namespaces (name),
	name text COLLATE "C" NOT NULL,
	object_metadata jsonb NOT NULL DEFAULT '{}',
	object_spec jsonb NOT NULL DEFAULT '{}',
	object_status jsonb NOT NULL DEFAULT '{}',
	resource_version bigint NOT NULL,
	generation bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	UNIQUE (namespace, name)
);
CREATE INDEX events_involved ON events (involved_uid, reason, last_seen);
CREATE INDEX events_last_seen ON events (last_seen);

-- Log of a Deployment: bytes as the program wrote them, in chunks.
CREATE TABLE log_chunks (
	deployment_id uuid NOT NULL REFERENCES deployments ON DELETE CASCADE,
	position bigint NOT NULL, -- of the first byte, counted from the first one ever appended
	data bytea NOT NULL,
	PRIMARY KEY (deployment_id, position)
);

-- --- objects as JSON text ----------------------------------------------------------------------------------------

CREATE FUNCTION object_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;

CREATE FUNCTION object_labels(metadata jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof(metadata -> 'labels') = 'object' THEN metadata -> 'labels' ELSE '{}' END
$$;

CREATE FUNCTION object_finalizers_present(metadata jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(jsonb_typeof(metadata -> 'finalizers') = 'array' AND metadata -> 'finalizers' <> '[]', false)
$$;

-- Metadata without the times of managedFields: they move with every apply, also with one that changes nothing.
CREATE FUNCTION object_comparable(metadata jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof(metadata -> 'managedFields') = 'array' THEN
		jsonb_set(metadata, '{managedFields}', (
			SELECT coalesce(jsonb_agg(CASE WHEN jsonb_typeof(entry) = 'object' THEN entry - 'time' ELSE entry END
				ORDER BY place), '[]')
			FROM jsonb_array_elements(metadata -> 'managedFields') WITH ORDINALITY AS list (entry, place)))
	ELSE metadata END
$$;

CREATE FUNCTION object_metadata_served(metadata jsonb, uid uuid, namespace text, name text, resource_version bigint,
	generation bigint, created_at timestamptz, deleted_at timestamptz) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT metadata || jsonb_strip_nulls(jsonb_build_object(
		'uid', uid, 'namespace', nullif(namespace, ''), 'name', name, 'resourceVersion', resource_version::text,
		'generation', generation, 'creationTimestamp', object_time(created_at),
		'deletionTimestamp', object_time(deleted_at),
		'deletionGracePeriodSeconds', CASE WHEN deleted_at IS NOT NULL THEN 0 END))
$$;

-- json and not jsonb at the top: it keeps the order that people expect.
CREATE FUNCTION object_served(api_version text, kind text, metadata jsonb, spec jsonb, status jsonb) RETURNS text
	LANGUAGE sql STABLE AS $$
	SELECT json_build_object('apiVersion', api_version, 'kind', kind, 'metadata', metadata, 'spec', spec,
		'status', status)::text
$$;

CREATE FUNCTION object_text(o namespaces) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('v1', 'Namespace', object_metadata_served(o.object_metadata, o.id, o.namespace, o.name,
		o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec, o.object_status)
$$;
CREATE FUNCTION object_text(o users) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('helvetia.cloud/v1', 'User', object_metadata_served(o.object_metadata, o.id, o.namespace,
		o.name, o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec, o.object_status)
$$;
CREATE FUNCTION object_text(o services) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('helvetia.cloud/v1', 'Service', object_metadata_served(o.object_metadata, o.id, o.namespace,
		o.name, o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec, o.object_status)
$$;
CREATE FUNCTION object_text(o deployments) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('helvetia.cloud/v1', 'Deployment', object_metadata_served(o.object_metadata, o.id,
		o.namespace, o.name, o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec,
		o.object_status)
$$;
CREATE FUNCTION object_text(o builds) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('helvetia.cloud/v1', 'Build', object_metadata_served(o.object_metadata, o.id, o.namespace,
		o.name, o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec, o.object_status)
$$;
CREATE FUNCTION object_text(o tokens) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('helvetia.cloud/v1', 'Token', object_metadata_served(o.object_metadata, o.id, o.namespace,
		o.name, o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec, o.object_status)
$$;
CREATE FUNCTION object_text(o events) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (o.object_spec || jsonb_build_object('apiVersion', 'v1', 'kind', 'Event', 'metadata',
		object_metadata_served(o.object_metadata, o.id, o.namespace, o.name, o.resource_version, NULL, o.created_at,
			o.deleted_at)))::text
$$;

-- deployments.logs as text: SELECT d.name, d.logs FROM deployments d. Bytes that are not UTF-8 are escaped.
CREATE FUNCTION logs(d deployments) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	whole bytea;
BEGIN
	SELECT coalesce(string_agg(data, '' ORDER BY position), '') INTO whole FROM log_chunks WHERE deployment_id = d.id;
	RETURN convert_from(whole, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
	RETURN encode(whole, 'escape');
END
$$;
CREATE VIEW deployment_logs AS SELECT d.id, d.service_id, d.namespace, d.name, d.logs FROM deployments d;

-- --- ordinary columns --------------------------------------------------------------------------------------------

CREATE FUNCTION namespaces_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.object_status := NEW.object_status || jsonb_build_object('phase',
		CASE WHEN NEW.deleted_at IS NULL THEN 'Active' ELSE 'Terminating' END);
	RETURN NEW;
END
$$;
CREATE FUNCTION users_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.github_id := NEW.object_spec ->> 'githubId';
	NEW.username := coalesce(NEW.object_spec ->> 'username', NEW.name);
	NEW.role := coalesce(NEW.object_spec ->> 'role', 'developer');
	RETURN NEW;
END
$$;
CREATE FUNCTION services_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.repo_url := NEW.object_spec ->> 'repoUrl';
	NEW.branch := NEW.object_spec ->> 'branch';
	NEW.build_command := NEW.object_spec ->> 'buildCommand';
	NEW.start_command := NEW.object_spec ->> 'startCommand';
	NEW.internal_port := NEW.object_spec ->> 'internalPort';
	NEW.status := coalesce(NEW.object_status ->> 'phase', 'IDLE');
	RETURN NEW;
END
$$;
CREATE FUNCTION deployments_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		NEW.service_id := coalesce(NEW.service_id,
			(NEW.object_metadata #>> '{ownerReferences,0,uid}')::uuid);
		NEW.revision := coalesce(NEW.revision, (NEW.object_spec ->> 'revision')::bigint);
	END IF;
	NEW.commit_hash := NEW.object_spec ->> 'commitHash';
	NEW.status := coalesce(NEW.object_status ->> 'phase', 'BUILDING');
	RETURN NEW;
END
$$;
CREATE FUNCTION tokens_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.role := coalesce(NEW.object_spec ->> 'role', 'viewer');
	NEW.expires_at := NEW.object_spec ->> 'expiresAt';
	NEW.all_namespaces := NEW.namespace = '' OR coalesce((NEW.object_spec ->> 'allNamespaces')::boolean, false);
	RETURN NEW;
END
$$;
CREATE FUNCTION events_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.involved_uid := NEW.object_spec #>> '{involvedObject,uid}';
	NEW.reason := coalesce(NEW.object_spec ->> 'reason', '');
	NEW.message := coalesce(NEW.object_spec ->> 'message', '');
	NEW.count := coalesce(NEW.object_spec ->> 'count', '1');
	NEW.last_seen := coalesce((NEW.object_spec ->> 'lastTimestamp')::timestamptz, now());
	RETURN NEW;
END
$$;

-- --- rules of every write ----------------------------------------------------------------------------------------

-- 1215059505 is 'HlV1' in ASCII; 1 is the lock of writers (lib/store/store_internal.h).
CREATE FUNCTION object_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(1215059505, 1);
	RETURN NULL;
END
$$;

CREATE FUNCTION object_version_next() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	UPDATE resource_clock SET resource_version = resource_version + 1 RETURNING resource_version
$$;

CREATE FUNCTION object_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.object_metadata := NEW.object_metadata - '{uid,namespace,name,resourceVersion,generation,creationTimestamp,
		deletionTimestamp,deletionGracePeriodSeconds,selfLink}'::text[];
	IF TG_OP = 'UPDATE' THEN
		IF NEW.object_spec = OLD.object_spec AND NEW.object_status = OLD.object_status
			AND NEW.deleted_at IS NOT DISTINCT FROM OLD.deleted_at
			AND object_comparable(NEW.object_metadata) = object_comparable(OLD.object_metadata) THEN
			NEW.object_metadata := OLD.object_metadata;
			NEW.generation := OLD.generation;
			NEW.resource_version := OLD.resource_version;
			IF NEW IS NOT DISTINCT FROM OLD THEN
				RETURN NULL;
			END IF;
			RETURN NEW;
		END IF;
		IF NEW.deleted_at IS NOT NULL AND NOT object_finalizers_present(NEW.object_metadata) THEN
			RETURN NEW; -- object_log deletes the row, and that draws the resourceVersion
		END IF;
	END IF;
	NEW.resource_version := object_version_next();
	RETURN NEW;
END
$$;

CREATE FUNCTION object_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF NEW.deleted_at IS NOT NULL AND NOT object_finalizers_present(NEW.object_metadata) THEN
			EXECUTE format('DELETE FROM %I WHERE id = $1', TG_TABLE_NAME) USING NEW.id;
			RETURN NULL;
		END IF;
		IF NEW.resource_version = OLD.resource_version THEN
			RETURN NULL;
		END IF;
		INSERT INTO change_log (resource_version, kind, type, uid, namespace, name, labels, labels_before, object)
		VALUES (NEW.resource_version, TG_ARGV[0], 'MODIFIED', NEW.id, NEW.namespace, NEW.name,
			object_labels(NEW.object_metadata), object_labels(OLD.object_metadata), object_text(NEW));
	ELSIF TG_OP = 'INSERT' THEN
		INSERT INTO change_log (resource_version, kind, type, uid, namespace, name, labels, object)
		VALUES (NEW.resource_version, TG_ARGV[0], 'ADDED', NEW.id, NEW.namespace, NEW.name,
			object_labels(NEW.object_metadata), object_text(NEW));
	ELSE
		OLD.resource_version := object_version_next();
		INSERT INTO change_log (resource_version, kind, type, uid, namespace, name, labels, labels_before, object)
		VALUES (OLD.resource_version, TG_ARGV[0], 'DELETED', OLD.id, OLD.namespace, OLD.name,
			object_labels(OLD.object_metadata), object_labels(OLD.object_metadata), object_text(OLD));
	END IF;
	-- Without a payload all notifications of a transaction fold into one; it is a hint to read the change log.
	PERFORM pg_notify('helvetia_changes', '');
	RETURN NULL;
END
$$;

-- What an object owns goes before it, and is logged before it. (ON DELETE CASCADE would log it after.)
CREATE FUNCTION services_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM deployments WHERE service_id = OLD.id;
	RETURN OLD;
END
$$;
CREATE TRIGGER object_dependents BEFORE DELETE ON services FOR EACH ROW EXECUTE FUNCTION services_dependents();

CREATE FUNCTION namespaces_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM events WHERE namespace = OLD.name;
	DELETE FROM tokens WHERE namespace = OLD.name;
	RETURN OLD;
END
$$;
CREATE TRIGGER object_dependents BEFORE DELETE ON namespaces FOR EACH ROW EXECUTE FUNCTION namespaces_dependents();

-- Triggers of one table fire in the order of their names: columns, then version.
DO $$
DECLARE
	kinds constant text[] := ARRAY['namespaces', 'Namespace', 'users', 'User', 'services', 'Service', 'deployments',
		'Deployment', 'builds', 'Build', 'tokens', 'Token', 'events', 'Event'];
	kind_table text;
	kind text;
BEGIN
	FOR place IN 1 .. array_length(kinds, 1) BY 2 LOOP
		kind_table := kinds[place];
		kind := kinds[place + 1];
		EXECUTE format('CREATE TRIGGER object_lock BEFORE INSERT OR UPDATE OR DELETE ON %I
			FOR EACH STATEMENT EXECUTE FUNCTION object_lock()', kind_table);
		IF kind <> 'Build' THEN
			EXECUTE format('CREATE TRIGGER object_columns BEFORE INSERT OR UPDATE ON %I
				FOR EACH ROW EXECUTE FUNCTION %I()', kind_table, kind_table || '_columns');
		END IF;
		EXECUTE format('CREATE TRIGGER object_version BEFORE INSERT OR UPDATE ON %I
			FOR EACH ROW EXECUTE FUNCTION object_version()', kind_table);
		EXECUTE format('CREATE TRIGGER object_log AFTER INSERT OR UPDATE OR DELETE ON %I
			FOR EACH ROW EXECUTE FUNCTION object_log(%L)', kind_table, kind);
	END LOOP;
END
$$;
