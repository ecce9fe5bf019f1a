-- Secrets. An object as the others, whose object_spec is what is served beside metadata: type, immutable, and data with
-- the keys and empty values. Values are in secret_versions, sealed by programs before they come here: no function of the
-- database ever sees one. object_status, which is not served, names the version of each key, so that a new value is a
-- change of the object (and draws a resourceVersion) though what is served of it stays the same.

CREATE TABLE secrets (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	type text NOT NULL,
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

-- One value that a key has or had. It outlives its Secret: Deployments that were made with it name it, and are made
-- again and rolled back to with it. What is retired and named by none goes (store_compact).
CREATE TABLE secret_versions (
	id uuid PRIMARY KEY, -- drawn by who seals: it is authenticated with the value
	namespace_id uuid NOT NULL REFERENCES namespaces ON DELETE CASCADE,
	secret_id uuid NOT NULL,
	key text COLLATE "C" NOT NULL,
	key_version integer NOT NULL, -- of the key in the key file
	sealed bytea NOT NULL, -- nonce, ciphertext, tag of AES-256-GCM
	created_at timestamptz NOT NULL DEFAULT now(),
	retired_at timestamptz -- NULL: the key has this value now
);
CREATE UNIQUE INDEX secret_versions_current ON secret_versions (secret_id, key) WHERE retired_at IS NULL;
CREATE INDEX secret_versions_namespace ON secret_versions (namespace_id);
CREATE INDEX secret_versions_retired ON secret_versions (retired_at) WHERE retired_at IS NOT NULL;

CREATE FUNCTION object_text(o secrets) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (o.object_spec || jsonb_build_object('apiVersion', 'v1', 'kind', 'Secret', 'metadata',
		object_metadata_served(o.object_metadata, o.id, o.namespace, o.name, o.resource_version, NULL, o.created_at,
			o.deleted_at)))::text
$$;

CREATE FUNCTION secrets_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.type := coalesce(NEW.object_spec ->> 'type', 'Opaque');
	RETURN NEW;
END
$$;

-- Its values are good for nothing new.
CREATE FUNCTION secrets_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE secret_versions SET retired_at = now() WHERE secret_id = OLD.id AND retired_at IS NULL;
	RETURN OLD;
END
$$;

-- Another look at the Services that name it. A hint, as every notification.
CREATE FUNCTION secrets_notify() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	changed constant secrets := coalesce(NEW, OLD);
BEGIN
	PERFORM pg_notify('helvetia_job', 'service/' || s.id) FROM services s WHERE s.namespace = changed.namespace
		AND s.object_spec @> jsonb_build_object('env',
			jsonb_build_array(jsonb_build_object('secretRef', jsonb_build_object('name', changed.name))));
	RETURN NULL;
END
$$;

CREATE FUNCTION secret_versions_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.id, NEW.namespace_id, NEW.secret_id, NEW.key, NEW.key_version, NEW.sealed, NEW.created_at) IS DISTINCT FROM
		(OLD.id, OLD.namespace_id, OLD.secret_id, OLD.key, OLD.key_version, OLD.sealed, OLD.created_at) THEN
		RAISE EXCEPTION 'a version of a secret is never changed' USING ERRCODE = '55000';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER secret_versions_immutable BEFORE UPDATE ON secret_versions
	FOR EACH ROW EXECUTE FUNCTION secret_versions_immutable();

CREATE TRIGGER object_lock BEFORE INSERT OR UPDATE OR DELETE ON secrets
	FOR EACH STATEMENT EXECUTE FUNCTION object_lock();
CREATE TRIGGER object_columns BEFORE INSERT OR UPDATE ON secrets
	FOR EACH ROW EXECUTE FUNCTION secrets_columns();
CREATE TRIGGER object_version BEFORE INSERT OR UPDATE ON secrets
	FOR EACH ROW EXECUTE FUNCTION object_version();
CREATE TRIGGER object_log AFTER INSERT OR UPDATE OR DELETE ON secrets
	FOR EACH ROW EXECUTE FUNCTION object_log('Secret');
CREATE TRIGGER object_dependents BEFORE DELETE ON secrets
	FOR EACH ROW EXECUTE FUNCTION secrets_dependents();
CREATE TRIGGER secrets_notify AFTER INSERT OR UPDATE OR DELETE ON secrets
	FOR EACH ROW EXECUTE FUNCTION secrets_notify();

CREATE OR REPLACE FUNCTION namespaces_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM events WHERE namespace = OLD.name;
	DELETE FROM tokens WHERE namespace = OLD.name;
	DELETE FROM builds WHERE namespace = OLD.name;
	DELETE FROM secrets WHERE namespace = OLD.name;
	RETURN OLD;
END
$$;
