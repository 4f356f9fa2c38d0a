-- Events for others: jobs that wait for those of their queue, and when a document was found for the first time.

-- Jobs of one kind and queue are done one after the other, in the order of `place`. All but the first are parked:
-- their `due_at` is the last instant there is.
ALTER TABLE jobs ADD COLUMN queue TEXT;
ALTER TABLE jobs ADD COLUMN place INTEGER CHECK ((queue IS NULL) = (place IS NULL));
CREATE UNIQUE INDEX jobs_by_queue ON jobs (kind, queue, place) WHERE queue IS NOT NULL;

-- A rebuilt index sets `indexed_at` again; this stays.
ALTER TABLE documents ADD COLUMN first_indexed_at INTEGER;
UPDATE documents SET first_indexed_at = indexed_at;
