-- metadata.ownerReferences of Services, Secrets and Tokens: what their owners take along. (Deployments and Builds belong to
-- their Service by columns of their own.) An owner is of the same namespace, or of none.
--
-- In the background: when the last owner has gone, its dependents are deleted; of several owners only the reference goes.
-- In the foreground: dependents are deleted first, and the owner waits for them with the finalizer foregroundDeletion.
-- Orphaned: the references go before the owner does.

CREATE INDEX services_owned ON services (namespace) WHERE object_metadata ? 'ownerReferences';
CREATE INDEX secrets_owned ON secrets (namespace) WHERE object_metadata ? 'ownerReferences';
CREATE INDEX tokens_owned ON tokens (namespace) WHERE object_metadata ? 'ownerReferences';

CREATE FUNCTION owner_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
	SELECT ARRAY['services', 'secrets', 'tokens']
$$;

-- As a WHERE: rows that name this owner.
CREATE FUNCTION owner_named(metadata jsonb, owner uuid) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT metadata ? 'ownerReferences' AND metadata -> 'ownerReferences' @>
		jsonb_build_array(jsonb_build_object('uid', owner))
$$;

CREATE FUNCTION owner_released(metadata jsonb, owner uuid) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN kept.list IS NULL THEN metadata - 'ownerReferences'
		ELSE jsonb_set(metadata, '{ownerReferences}', kept.list) END
	FROM (SELECT jsonb_agg(r.value ORDER BY r.ordinality) AS list
		FROM jsonb_array_elements(metadata -> 'ownerReferences') WITH ORDINALITY AS r
		WHERE r.value ->> 'uid' IS DISTINCT FROM owner::text) AS kept
$$;

-- Dependents lose their reference to the owner; of those that have no other, it stays, unless they are to be orphans.
CREATE FUNCTION owner_leave(owner uuid, place text, orphan boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind_table text;
BEGIN
	FOREACH kind_table IN ARRAY owner_tables() LOOP
		EXECUTE format('UPDATE %I SET object_metadata = owner_released(object_metadata, $1)
			WHERE object_metadata ? ''ownerReferences'' AND $2 IN ('''', namespace) AND owner_named(object_metadata, $1)
			AND ($3 OR jsonb_array_length(object_metadata -> ''ownerReferences'') > 1)', kind_table)
			USING owner, place, orphan;
	END LOOP;
END
$$;

-- Deletes what has this owner only. A row without finalizers goes at once (object_log).
CREATE FUNCTION owner_take_along(owner uuid, place text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind_table text;
BEGIN
	PERFORM owner_leave(owner, place, false);
	FOREACH kind_table IN ARRAY owner_tables() LOOP
		EXECUTE format('UPDATE %I SET deleted_at = now(), generation = generation + 1
			WHERE object_metadata ? ''ownerReferences'' AND $2 IN ('''', namespace) AND owner_named(object_metadata, $1)
			AND deleted_at IS NULL', kind_table) USING owner, place;
	END LOOP;
END
$$;

CREATE FUNCTION owner_has_dependents(owner uuid, place text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	kind_table text;
	found_one boolean;
BEGIN
	FOREACH kind_table IN ARRAY owner_tables() LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE object_metadata ? ''ownerReferences''
			AND $2 IN ('''', namespace) AND owner_named(object_metadata, $1))', kind_table)
			INTO found_one USING owner, place;
		IF found_one THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;

-- Takes along first, and lets the owner wait for what does not go at once.
CREATE FUNCTION owner_foreground(kind_table text, owner uuid, place text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM owner_take_along(owner, place);
	IF owner_has_dependents(owner, place) THEN
		EXECUTE format('UPDATE %I SET object_metadata = jsonb_set(object_metadata, ''{finalizers}'',
			coalesce(object_metadata -> ''finalizers'', ''[]'') || ''["foregroundDeletion"]'')
			WHERE id = $1 AND NOT coalesce(object_metadata -> ''finalizers'', ''[]'') ? ''foregroundDeletion''', kind_table)
			USING owner;
	END IF;
END
$$;

-- An owner that waited for its last dependent.
CREATE FUNCTION owner_settle(owner uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind_table text;
BEGIN
	FOREACH kind_table IN ARRAY owner_tables() || ARRAY['users'] LOOP
		EXECUTE format('UPDATE %I SET object_metadata = jsonb_set(object_metadata, ''{finalizers}'',
			(object_metadata -> ''finalizers'') - ''foregroundDeletion'') WHERE id = $1 AND deleted_at IS NOT NULL
			AND object_metadata -> ''finalizers'' ? ''foregroundDeletion'' AND NOT owner_has_dependents(id, namespace)',
			kind_table) USING owner;
	END LOOP;
END
$$;

CREATE FUNCTION owner_settle_all(metadata jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	reference jsonb;
BEGIN
	FOR reference IN SELECT value FROM jsonb_array_elements(coalesce(metadata -> 'ownerReferences', '[]')) LOOP
		IF reference ->> 'uid' ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' THEN
			PERFORM owner_settle((reference ->> 'uid')::uuid);
		END IF;
	END LOOP;
END
$$;

-- A chain of owners is followed over 30 links: what is beyond keeps a reference to nobody.
CREATE FUNCTION owner_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 60 THEN
		PERFORM owner_take_along(OLD.id, OLD.namespace);
		PERFORM owner_settle_all(OLD.object_metadata);
	END IF;
	RETURN NULL;
END
$$;

CREATE FUNCTION owner_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 60 THEN
		PERFORM owner_settle_all(OLD.object_metadata);
	END IF;
	RETURN NULL;
END
$$;

-- Behind object_log: the owner's end is logged before what follows from it.
CREATE TRIGGER owner_gone AFTER DELETE ON services FOR EACH ROW EXECUTE FUNCTION owner_gone();
CREATE TRIGGER owner_gone AFTER DELETE ON secrets FOR EACH ROW EXECUTE FUNCTION owner_gone();
CREATE TRIGGER owner_gone AFTER DELETE ON tokens FOR EACH ROW EXECUTE FUNCTION owner_gone();
CREATE TRIGGER owner_gone AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION owner_gone();
CREATE TRIGGER owner_gone AFTER DELETE ON deployments FOR EACH ROW EXECUTE FUNCTION owner_gone();

DO $$
DECLARE
	kind_table text;
BEGIN
	FOREACH kind_table IN ARRAY owner_tables() LOOP
		EXECUTE format('CREATE TRIGGER owner_left AFTER UPDATE ON %I FOR EACH ROW
			WHEN (OLD.object_metadata -> ''ownerReferences'' IS DISTINCT FROM NEW.object_metadata -> ''ownerReferences'')
			EXECUTE FUNCTION owner_left()', kind_table);
	END LOOP;
END
$$;
