-- Responses, their items, and who is working on them.
--
-- Ids are text in byte order (COLLATE "C"): they carry their time (a UUIDv7 in hex behind a prefix),
-- so new rows go to the right end of every index, and no index depends on the locale of the server.
-- `tenant` leads every key. There is one exception, an index that serves the sweep over all tenants.

CREATE TABLE tenants (
    tenant    text COLLATE "C" PRIMARY KEY,
    -- How many responses this tenant has deleted, ever. A history that a process has cached is good
    -- exactly as long as this number is what it was when the history was read.
    deletions bigint NOT NULL DEFAULT 0
);

-- A lease belongs to a *process*, not to a response: it is one row, and renewing it costs one write
-- however many streams the process runs. A response names the process that works on it, and is lost
-- when that process holds no live lease. Times are the database server's, never a client's.
CREATE TABLE leases (
    owner      uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE TABLE responses (
    tenant            text COLLATE "C" NOT NULL,
    id                text COLLATE "C" NOT NULL,
    -- No foreign key: deleting a response leaves its children, and a chain that has lost a link is
    -- told apart from one that begins here.
    parent_id         text COLLATE "C",
    status            text NOT NULL CHECK (status IN (
                          'queued', 'in_progress', 'completed', 'failed', 'incomplete', 'cancelled')),
    created_at        timestamptz NOT NULL,
    completed_at      timestamptz,
    settings          bytea NOT NULL,
    usage             bytea,
    error             bytea,
    incomplete_reason text,
    -- No foreign key either: leases of processes that are gone are removed first.
    lease_owner       uuid,
    expires_at        timestamptz,
    PRIMARY KEY (tenant, id)
);

-- The few responses that run now, for the sweep: the only statement that looks across tenants.
CREATE INDEX responses_running ON responses (lease_owner, tenant, id)
    WHERE status = 'in_progress';

-- Input and output items of that one turn, verbatim, positions running on from input to output.
CREATE TABLE items (
    tenant      text COLLATE "C" NOT NULL,
    response_id text COLLATE "C" NOT NULL,
    position    integer NOT NULL,
    direction   text NOT NULL CHECK (direction IN ('input', 'output')),
    id          text COLLATE "C" NOT NULL,
    type        text NOT NULL,
    body        bytea NOT NULL,
    PRIMARY KEY (tenant, response_id, position),
    FOREIGN KEY (tenant, response_id) REFERENCES responses (tenant, id) ON DELETE CASCADE
);

-- An item by its own id. Clients repeat ids from turn to turn; the newest one is found first.
CREATE INDEX items_by_id ON items (tenant, id, response_id, position);

-- The default compression costs milliseconds per large body. lz4 costs next to nothing, but not every
-- server is built with it; storing bodies as they are is the next best.
DO $$
BEGIN
    ALTER TABLE items ALTER COLUMN body SET COMPRESSION lz4;
    ALTER TABLE responses ALTER COLUMN settings SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    ALTER TABLE items ALTER COLUMN body SET STORAGE EXTERNAL;
    ALTER TABLE responses ALTER COLUMN settings SET STORAGE EXTERNAL;
END
$$;
