-- Who may use the API: tokens that belong to a person, and when each was used last.

-- --- tokens of a User --------------------------------------------------------------------------------------------

ALTER TABLE tokens ADD COLUMN user_id uuid REFERENCES users; -- NULL: of a program; goes with the User: users_dependents
CREATE INDEX tokens_user ON tokens (user_id) WHERE user_id IS NOT NULL;

CREATE OR REPLACE FUNCTION tokens_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.role := coalesce(NEW.object_spec ->> 'role', 'viewer');
	NEW.expires_at := NEW.object_spec ->> 'expiresAt';
	NEW.all_namespaces := NEW.namespace = '' OR coalesce((NEW.object_spec ->> 'allNamespaces')::boolean, false);
	NEW.user_id := NULL;
	IF NEW.object_spec ? 'user' THEN
		SELECT id INTO NEW.user_id FROM users WHERE name = NEW.object_spec ->> 'user';
		IF NOT FOUND THEN
			RAISE EXCEPTION 'spec.user: users "%" not found', NEW.object_spec ->> 'user' USING ERRCODE = '22023';
		END IF;
	END IF;
	RETURN NEW;
END
$$;

-- What a person may do ends with the person.
CREATE FUNCTION users_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM tokens WHERE user_id = OLD.id;
	RETURN OLD;
END
$$;
CREATE TRIGGER object_dependents BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION users_dependents();

-- What the bearer of a token is, by the SHA-256 of its text. A User's role is the most that any of his tokens can do
-- (access_role is ordered from the most to the least).
CREATE VIEW bearers AS
	SELECT t.hash, t.id, t.name, CASE WHEN t.all_namespaces THEN '' ELSE t.namespace END AS namespace,
		CASE WHEN u.id IS NULL THEN t.role ELSE greatest(t.role, u.role) END AS role,
		(extract(epoch FROM t.expires_at) * 1000)::bigint AS expires_ms, u.name AS user_name, u.id AS user_id
	FROM tokens t LEFT JOIN users u ON u.id = t.user_id;

-- The administrator's token of the first start had no namespace, so that no path led to it.
UPDATE tokens SET namespace = 'default' WHERE namespace = '' AND object_spec ->> 'allNamespaces' = 'true'
	AND EXISTS (SELECT FROM namespaces WHERE name = 'default');

-- --- last use ----------------------------------------------------------------------------------------------------

-- Beside the object: that a token was used is shown with it, but is no change of it.
CREATE TABLE token_uses (
	token_id uuid PRIMARY KEY REFERENCES tokens ON DELETE CASCADE,
	used_at timestamptz NOT NULL
);

CREATE OR REPLACE FUNCTION object_text(o tokens) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT object_served('helvetia.cloud/v1', 'Token', object_metadata_served(o.object_metadata, o.id, o.namespace,
		o.name, o.resource_version, o.generation, o.created_at, o.deleted_at), o.object_spec,
		o.object_status || coalesce((SELECT jsonb_build_object('lastUsedTime',
			to_char(used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) FROM token_uses WHERE token_id = o.id), '{}'))
$$;
