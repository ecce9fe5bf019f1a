-- Work for workers: jobs with their lease and fence, logs of builds, followed branches, deliveries of webhooks.
--
-- A job is no object of the API; the Build of a build's job is, and has the job's id. What of a job can be seen in its
-- Build (phase, attempt, image, times, reason) is written into it by a trigger, so that the two can't differ. Whoever
-- changes that takes the advisory lock of all writers first, as the functions below do; a heartbeat and a piece of a log
-- change nothing that the API serves, need no lock and leave no change.
--
-- Workers of others use four functions, as ours do (docs/operations.md): job_claim, job_heartbeat, job_log, job_finish.
-- They refuse with P0002 (there is no such job), 55000 (the attempt is over, or another's) and 22023 (not a value that
-- could be taken).

CREATE TYPE job_kind AS ENUM ('resolve', 'build');
CREATE TYPE job_state AS ENUM ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED');
CREATE TYPE build_status AS ENUM ('QUEUED', 'RUNNING', 'SUCCESS', 'FAILED', 'CANCELED');

CREATE TABLE jobs (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- of a build: that of its row in builds
	kind job_kind NOT NULL,
	key text COLLATE "C" NOT NULL CHECK (key <> ''),
	namespace_id uuid NOT NULL REFERENCES namespaces ON DELETE CASCADE,
	service_id uuid REFERENCES services ON DELETE SET NULL, -- who asked first
	state job_state NOT NULL DEFAULT 'QUEUED',
	attempt bigint NOT NULL DEFAULT 1, -- the fence
	claims integer NOT NULL DEFAULT 0, -- since a worker last came back with a result
	failures integer NOT NULL DEFAULT 0, -- in a row, that repeating may cure
	cancel boolean NOT NULL DEFAULT false, -- RUNNING, and wanted no more
	worker text NOT NULL DEFAULT '',
	lease_until timestamptz,
	input jsonb NOT NULL,
	outcome jsonb, -- as reported
	log_bytes bigint NOT NULL DEFAULT 0,
	log_full boolean NOT NULL DEFAULT false,
	state_since timestamptz NOT NULL DEFAULT clock_timestamp(),
	started_at timestamptz,
	finished_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (kind, key)
) WITH (fillfactor = 50); -- room beside a row for its next heartbeat
CREATE INDEX jobs_service ON jobs (service_id);
CREATE INDEX jobs_namespace ON jobs (namespace_id);

-- Log of a build, as log_chunks; nothing is cut off its front, so that a reader's position stays good.
CREATE TABLE build_log_chunks (
	build_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
	position bigint NOT NULL, -- of the first byte
	data bytea NOT NULL,
	PRIMARY KEY (build_id, position)
);

-- Of a Service: how far its branch was looked at.
CREATE TABLE follows (
	service_id uuid PRIMARY KEY REFERENCES services ON DELETE CASCADE,
	wanted bigint NOT NULL DEFAULT 0,
	checked bigint NOT NULL DEFAULT 0,
	checked_at timestamptz,
	webhook_verified_at timestamptz
);

CREATE TABLE webhook_deliveries (
	sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id text NOT NULL, -- the sender's; a delivery that is sent again has the same
	event text NOT NULL,
	repository text NOT NULL,
	outcome text NOT NULL,
	message text NOT NULL,
	status integer NOT NULL, -- of the HTTP answer
	received_at timestamptz NOT NULL
);

-- --- builds ------------------------------------------------------------------------------------------------------

ALTER TABLE builds
	ADD COLUMN status build_status NOT NULL DEFAULT 'QUEUED',
	ADD COLUMN attempt bigint,
	ADD COLUMN image_id text,
	ADD COLUMN commit_hash text,
	ADD COLUMN input_hash text;

-- A phase that is none (an older program checked no status) is shown as QUEUED.
CREATE FUNCTION builds_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.status := CASE WHEN NEW.object_status ->> 'phase' = ANY (enum_range(NULL::build_status)::text[])
		THEN (NEW.object_status ->> 'phase')::build_status ELSE 'QUEUED' END;
	NEW.attempt := CASE WHEN jsonb_typeof(NEW.object_status -> 'attempt') = 'number'
		THEN (NEW.object_status ->> 'attempt')::numeric::bigint END;
	NEW.image_id := NEW.object_status ->> 'imageId';
	NEW.commit_hash := NEW.object_spec ->> 'commit';
	NEW.input_hash := NEW.object_spec ->> 'inputHash';
	RETURN NEW;
END
$$;
CREATE TRIGGER object_columns BEFORE INSERT OR UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION builds_columns();
UPDATE builds SET name = name; -- fills the new columns; nothing that the API serves changes, so no change is logged

-- builds.logs as text: SELECT b.name, b.logs FROM builds b. Bytes that are not UTF-8 are escaped.
CREATE FUNCTION logs(b builds) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	whole bytea;
BEGIN
	SELECT coalesce(string_agg(data, '' ORDER BY position), '') INTO whole FROM build_log_chunks WHERE build_id = b.id;
	RETURN convert_from(whole, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
	RETURN encode(whole, 'escape');
END
$$;
CREATE VIEW build_logs AS SELECT b.id, b.namespace, b.name, b.logs FROM builds b;

-- --- what a job shows of itself ----------------------------------------------------------------------------------

CREATE FUNCTION job_ended(state job_state) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT state IN ('SUCCEEDED', 'FAILED', 'CANCELED')
$$;

-- It failed, and is to be tried again.
CREATE FUNCTION job_retriable(j jobs) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT j.state = 'FAILED' AND coalesce(j.outcome -> 'final' = 'false', false)
$$;

-- The status of its Build. One that is to be tried again waits, with the reason.
CREATE FUNCTION job_build_status(j jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'phase', CASE WHEN job_retriable(j) THEN 'QUEUED' WHEN j.state = 'SUCCEEDED' THEN 'SUCCESS' ELSE j.state::text END,
		'attempt', j.attempt,
		'imageId', CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'imageId' END,
		'builder', CASE WHEN j.state = 'SUCCEEDED' THEN j.outcome ->> 'builder' END,
		'startedAt', object_time(j.started_at),
		'finishedAt', object_time(j.finished_at),
		'reason', CASE j.state WHEN 'FAILED' THEN coalesce(j.outcome ->> 'reason', 'BuildFailed')
			WHEN 'CANCELED' THEN 'Canceled' END,
		'message', CASE j.state WHEN 'FAILED' THEN left(j.outcome ->> 'message', 1024)
			WHEN 'CANCELED' THEN 'it is wanted no more' END))
$$;

-- Another look at whoever waits for it: who asked first, the Service that its Build is called after (it may have been
-- made anew), and those with an attempt that names the Build. A hint, as every notification.
CREATE FUNCTION job_notify(j jobs) RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT pg_notify('helvetia_job', 'service/' || waiting.id) FROM (
		SELECT j.service_id AS id WHERE j.service_id IS NOT NULL
		UNION SELECT s.id FROM builds b JOIN services s ON s.namespace = b.namespace
			AND s.name = b.object_spec ->> 'service' WHERE b.id = j.id
		UNION SELECT d.service_id FROM builds b JOIN deployments d ON d.namespace = b.namespace
			AND d.status = 'BUILDING' AND d.object_status ->> 'build' = b.name WHERE b.id = j.id
	) AS waiting
$$;

CREATE FUNCTION job_shown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.kind = 'build' THEN
		UPDATE builds SET object_status = job_build_status(NEW) WHERE id = NEW.id;
	END IF;
	IF NEW.state <> OLD.state AND NEW.state <> 'QUEUED' OR NEW.cancel AND NOT OLD.cancel THEN
		PERFORM job_notify(NEW);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER job_shown AFTER UPDATE ON jobs FOR EACH ROW
	WHEN (NEW.state <> OLD.state OR NEW.attempt <> OLD.attempt OR NEW.cancel <> OLD.cancel
		OR NEW.outcome IS DISTINCT FROM OLD.outcome)
	EXECUTE FUNCTION job_shown();

-- A build's job goes with its Build, and takes the log along.
CREATE FUNCTION builds_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM jobs WHERE id = OLD.id;
	RETURN OLD;
END
$$;
CREATE TRIGGER object_dependents BEFORE DELETE ON builds FOR EACH ROW EXECUTE FUNCTION builds_dependents();

-- --- ends that no worker reports ---------------------------------------------------------------------------------

-- Wanted no more. A worker that runs it hears so at its next heartbeat; one that is lost would never.
CREATE FUNCTION job_cancel(j jobs) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF j.state = 'RUNNING' AND j.lease_until > clock_timestamp() THEN
		UPDATE jobs SET cancel = true WHERE id = j.id;
	ELSIF NOT job_ended(j.state) OR job_retriable(j) THEN
		UPDATE jobs SET state = 'CANCELED', cancel = false, outcome = NULL, lease_until = NULL,
			state_since = clock_timestamp(), finished_at = clock_timestamp() WHERE id = j.id;
	END IF;
END
$$;

CREATE OR REPLACE FUNCTION services_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM deployments WHERE service_id = OLD.id;
	-- A build that another Service waits for as well goes on.
	PERFORM job_cancel(j) FROM (SELECT * FROM jobs WHERE service_id = OLD.id FOR UPDATE) AS j
		WHERE NOT EXISTS (SELECT FROM builds b JOIN deployments d ON d.namespace = b.namespace
			AND d.status = 'BUILDING' AND d.object_status ->> 'build' = b.name WHERE b.id = j.id);
	RETURN OLD;
END
$$;

CREATE OR REPLACE FUNCTION namespaces_dependents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM events WHERE namespace = OLD.name;
	DELETE FROM tokens WHERE namespace = OLD.name;
	DELETE FROM builds WHERE namespace = OLD.name;
	RETURN OLD;
END
$$;

-- A webhook is one of a repository: another one has not shown that it has any.
CREATE FUNCTION services_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE follows SET webhook_verified_at = NULL WHERE service_id = NEW.id AND webhook_verified_at IS NOT NULL;
	RETURN NULL;
END
$$;
CREATE TRIGGER services_follow AFTER UPDATE ON services FOR EACH ROW
	WHEN (NEW.repo_url IS DISTINCT FROM OLD.repo_url) EXECUTE FUNCTION services_follow();

-- --- what workers call -------------------------------------------------------------------------------------------

-- The row, locked, if this attempt is the job's.
CREATE FUNCTION job_fenced(job_id uuid, job_attempt bigint) RETURNS jobs LANGUAGE plpgsql AS $$
DECLARE
	found_job jobs;
BEGIN
	SELECT * INTO found_job FROM jobs WHERE id = job_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job % not found', job_id USING ERRCODE = 'P0002';
	END IF;
	IF found_job.attempt IS DISTINCT FROM job_attempt THEN
		RAISE EXCEPTION 'attempt % of job % is over: it is at attempt %', job_attempt, job_id, found_job.attempt
			USING ERRCODE = '55000';
	END IF;
	RETURN found_job;
END
$$;

-- The row, locked, if this worker runs this attempt of it.
CREATE FUNCTION job_held(job_id uuid, job_attempt bigint, job_worker text) RETURNS jobs LANGUAGE plpgsql AS $$
DECLARE
	found_job jobs;
BEGIN
	found_job := job_fenced(job_id, job_attempt);
	IF found_job.state <> 'RUNNING' THEN
		RAISE EXCEPTION 'job % is %', job_id, found_job.state USING ERRCODE = '55000';
	END IF;
	IF found_job.worker IS DISTINCT FROM job_worker THEN
		RAISE EXCEPTION 'job % is run by worker "%"', job_id, found_job.worker USING ERRCODE = '55000';
	END IF;
	RETURN found_job;
END
$$;

-- Appends to a build's log; beyond 16 MiB one line says so and the rest is dropped (STORE_BUILD_LOG_BYTES). The caller
-- has the row's lock.
CREATE FUNCTION job_log_append(j jobs, data bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	room constant bigint := 16777216 - j.log_bytes;
	full_now constant boolean := length(data) > room;
	piece bytea := data;
BEGIN
	IF j.log_full OR length(data) = 0 THEN
		RETURN;
	END IF;
	IF full_now THEN
		piece := substring(data FROM 1 FOR room::integer)
			|| convert_to(E'\n[the log ends here: it has reached 16 MiB]\n', 'UTF8');
	END IF;
	INSERT INTO build_log_chunks (build_id, position, data) VALUES (j.id, j.log_bytes, piece);
	UPDATE jobs SET log_bytes = log_bytes + length(piece), log_full = full_now WHERE id = j.id;
END
$$;

-- QUEUED becomes RUNNING under this worker, whose lease is 4 s (STORE_JOB_LEASE_MS). The row.
CREATE FUNCTION job_claim(job_id uuid, job_attempt bigint, job_worker text) RETURNS jobs LANGUAGE plpgsql AS $$
DECLARE
	found_job jobs;
BEGIN
	PERFORM pg_advisory_xact_lock(1215059505, 1);
	IF coalesce(job_worker, '') = '' THEN
		RAISE EXCEPTION 'a worker needs a name' USING ERRCODE = '22023';
	END IF;
	found_job := job_fenced(job_id, job_attempt);
	IF found_job.state = 'RUNNING' THEN
		RAISE EXCEPTION 'job % is run by worker "%" already', job_id, found_job.worker USING ERRCODE = '55000';
	ELSIF found_job.state <> 'QUEUED' THEN
		RAISE EXCEPTION 'job % is %', job_id, found_job.state USING ERRCODE = '55000';
	END IF;
	IF found_job.log_bytes > 0 THEN
		PERFORM job_log_append(found_job, convert_to(format(E'\n--- attempt %s ---\n', job_attempt), 'UTF8'));
	END IF;
	UPDATE jobs SET state = 'RUNNING', worker = job_worker, claims = claims + 1, cancel = false, outcome = NULL,
		lease_until = clock_timestamp() + interval '4 seconds', state_since = clock_timestamp(),
		started_at = clock_timestamp(), finished_at = NULL WHERE id = job_id RETURNING * INTO found_job;
	RETURN found_job;
END
$$;

-- Renews the lease. True: it is wanted no more.
CREATE FUNCTION job_heartbeat(job_id uuid, job_attempt bigint, job_worker text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	found_job jobs;
BEGIN
	found_job := job_held(job_id, job_attempt, job_worker);
	UPDATE jobs SET lease_until = clock_timestamp() + interval '4 seconds' WHERE id = job_id;
	RETURN found_job.cancel;
END
$$;

-- Appends to the log of a build that runs.
CREATE FUNCTION job_log(job_id uuid, job_attempt bigint, data bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	found_job jobs;
BEGIN
	found_job := job_fenced(job_id, job_attempt);
	IF found_job.state <> 'RUNNING' THEN
		RAISE EXCEPTION 'job % is %', job_id, found_job.state USING ERRCODE = '55000';
	END IF;
	IF found_job.kind <> 'build' THEN
		RAISE EXCEPTION 'job % is no build: it has no log', job_id USING ERRCODE = '22023';
	END IF;
	PERFORM job_log_append(found_job, data);
END
$$;

CREATE FUNCTION job_outcome_check(kind job_kind, success boolean, outcome jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	needed constant text := CASE WHEN NOT success THEN 'message' WHEN kind = 'build' THEN 'imageId' ELSE 'commit' END;
BEGIN
	IF success IS NULL OR jsonb_typeof(outcome) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'an outcome must be an object' USING ERRCODE = '22023';
	END IF;
	IF length(outcome::text) > 65536 THEN
		RAISE EXCEPTION 'an outcome must have at most 64 KiB' USING ERRCODE = '22023';
	END IF;
	IF jsonb_typeof(outcome -> needed) IS DISTINCT FROM 'string' OR outcome ->> needed = '' THEN
		RAISE EXCEPTION 'outcome.%: must be a text', needed USING ERRCODE = '22023';
	END IF;
	IF NOT success AND jsonb_typeof(coalesce(outcome -> 'final', 'true')) <> 'boolean' THEN
		RAISE EXCEPTION 'outcome.final: must be true or false' USING ERRCODE = '22023';
	END IF;
END
$$;

-- Success: {"commit","branch","tree","runtime"} or {"imageId","builder"}; failure: {"reason","message","final"}. One
-- that was cancelled ends CANCELED whatever it says. The same report again changes nothing.
CREATE FUNCTION job_finish(job_id uuid, job_attempt bigint, job_worker text, success boolean, outcome jsonb)
	RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	found_job jobs;
	ended_as job_state;
BEGIN
	PERFORM pg_advisory_xact_lock(1215059505, 1);
	found_job := job_fenced(job_id, job_attempt);
	IF job_ended(found_job.state) AND found_job.worker = job_worker AND found_job.outcome = job_finish.outcome THEN
		RETURN;
	END IF;
	found_job := job_held(job_id, job_attempt, job_worker);
	PERFORM job_outcome_check(found_job.kind, success, job_finish.outcome);
	ended_as := CASE WHEN found_job.cancel THEN 'CANCELED' WHEN success THEN 'SUCCEEDED' ELSE 'FAILED' END;
	UPDATE jobs SET state = ended_as, cancel = false, outcome = job_finish.outcome, lease_until = NULL, claims = 0,
		failures = CASE WHEN ended_as = 'FAILED' AND job_finish.outcome -> 'final' = 'false' THEN failures + 1 ELSE 0 END,
		state_since = clock_timestamp(), finished_at = clock_timestamp() WHERE id = job_id;
END
$$;
